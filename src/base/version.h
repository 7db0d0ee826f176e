/*
 * version.h
 *	  Does the library in memory fit the extension that is installed in the database?
 *
 * A preloaded library stays until the server is restarted, while ALTER EXTENSION UPDATE changes the
 * SQL at once. Versions that agree in major.minor work together.
 */
#ifndef CXSIG_VERSION_H
#define CXSIG_VERSION_H

#define CXSIG_VERSION_SIZE 32

/*
 * The extension of this database and its version as of now; InvalidOid and "" where there is none.
 * Needs a transaction; takes AccessShareLock on pg_extension.
 */
extern Oid cxsig_version_installed(char version[CXSIG_VERSION_SIZE]);

/* Can this library work with an extension of that version? */
extern bool cxsig_version_fits(const char *version);

/* What to do where it cannot: a sentence for errhint. */
extern const char *cxsig_version_hint(const char *version);

/* Raise at that level, with the way out, where the extension of this database does not fit. */
extern void cxsig_version_check(int level);

#endif
