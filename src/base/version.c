/*
 * version.c
 *	  Compares the extension's version with what the library was compiled for. Runs in any backend
 *	  and in dispatchers. Locks: AccessShareLock on pg_extension while reading.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/version.h"
#include "catalog/pg_extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

static int version_compare(const char *version);

Oid
cxsig_version_installed(char version[CXSIG_VERSION_SIZE])
{
	Relation relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid oid = InvalidOid;

	version[0] = '\0';
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("cxsig"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;
		Datum value =
			heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(relation), &isnull);

		oid = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		if (!isnull)
			text_to_cstring_buffer(DatumGetTextPP(value), version, CXSIG_VERSION_SIZE);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return oid;
}

/* Less than, equal to or greater than 0, as the version is older than, fits or is newer than ours. */
static int
version_compare(const char *version)
{
	int ours[2] = {0, 0};
	int theirs[2] = {0, 0};

	(void) sscanf(CXSIG_VERSION, "%d.%d", &ours[0], &ours[1]);
	(void) sscanf(version, "%d.%d", &theirs[0], &theirs[1]);
	return theirs[0] != ours[0] ? theirs[0] - ours[0] : theirs[1] - ours[1];
}

bool
cxsig_version_fits(const char *version)
{
	return version_compare(version) == 0;
}

const char *
cxsig_version_hint(const char *version)
{
	return version_compare(version) > 0 ? "Restart the server, so that it loads the new library."
										: "ALTER EXTENSION cxsig UPDATE;";
}

void
cxsig_version_check(int level)
{
	char version[CXSIG_VERSION_SIZE];

	if (!OidIsValid(cxsig_version_installed(version)) || cxsig_version_fits(version))
		return;
	ereport(level, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("nothing is sent: extension cxsig has version %s, the library %s",
						   version, CXSIG_VERSION),
					errhint("%s", cxsig_version_hint(version))));
}
