/*
 * check.c
 *	  cxsig._check_destination(): what create_destination() and alter_destination() ask before they
 *	  write a row. Runs in ordinary backends; touches no table.
 */
#include "postgres.h"

#include "event/event.h"
#include "fmgr.h"
#include "transport/alert_config.h"
#include "transport/transport.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(cxsig_check_destination);
PG_FUNCTION_INFO_V1(cxsig_transport_defaults);
PG_FUNCTION_INFO_V1(cxsig_alert_condition);

static void check_batch_size(const CxsigTransport *transport, const char *destination,
							 int batch_size);

/*
 * _check_destination(name, transport, config, projection, mapping, filter, urgent, order_scope,
 * batch_size): raises what is wrong; returns how many events a request carries at most.
 */
Datum
cxsig_check_destination(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const CxsigTransportOps *ops = cxsig_transport_lookup(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	CxsigView view = {CXSIG_PROJECTION_CRM, NULL, NULL};
	CxsigTransportSource source = {0};
	CxsigTransport *transport;

	view.projection = cxsig_projection_parse(text_to_cstring(PG_GETARG_TEXT_PP(3)));
	if (!PG_ARGISNULL(4))
		view.mapping = cxsig_mapping_prepare(PG_GETARG_JSONB_P(4));
	if (!PG_ARGISNULL(5))
		view.filter = cxsig_filter_prepare(PG_GETARG_JSONPATH_P(5));
	if (!PG_ARGISNULL(6))
		(void) cxsig_filter_prepare(PG_GETARG_JSONPATH_P(6));
	source.config = PG_GETARG_JSONB_P(2);
	source.n_secrets = -1;
	source.view = &view;
	source.destination = name;
	source.order_scope = text_to_cstring(PG_GETARG_TEXT_PP(7));
	transport = ops->prepare(&source);
	check_batch_size(transport, name, PG_GETARG_INT32(8));
	PG_RETURN_INT32(transport->max_batch);
}

/* _transport_defaults(transport): its options that are other than usual, null where there are none. */
Datum
cxsig_transport_defaults(PG_FUNCTION_ARGS)
{
	const CxsigTransportOps *ops = cxsig_transport_lookup(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (ops->defaults == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(ops->defaults)));
}

/* _alert_condition(transport): of its alerts where the config has none; null where it alerts nobody. */
Datum
cxsig_alert_condition(PG_FUNCTION_ARGS)
{
	if (!cxsig_transport_lookup(text_to_cstring(PG_GETARG_TEXT_PP(0)))->alerts)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(CXSIG_ALERT_CONDITION));
}

static void
check_batch_size(const CxsigTransport *transport, const char *destination, int batch_size)
{
	if (batch_size <= transport->max_batch)
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("option \"batch_size\" of destination \"%s\" cannot be %d with %s",
						   destination, batch_size, transport->batches_by),
					errdetail_plural("A request carries at most %d event.",
									 "A request carries at most %d events.", transport->max_batch,
									 transport->max_batch),
					errhint("%s", transport->batch_hint)));
}
