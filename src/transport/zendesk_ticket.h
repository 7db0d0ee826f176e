/*
 * zendesk_ticket.h
 *	  A record of the mapping as a ticket: custom fields as Zendesk lists them, tags beside those that
 *	  are there.
 *
 * Pure functions over memory; what they allocate is in the current context.
 */
#ifndef CXSIG_ZENDESK_TICKET_H
#define CXSIG_ZENDESK_TICKET_H

#include "event/json.h"

/* Tags that a record wants there and gone, as Zendesk writes them; none is in both or twice. */
typedef struct CxsigZendeskTags
{
	char **add;
	char **remove;
	int n_add;
	int n_remove;
} CxsigZendeskTags;

/* The tags of a record (JSON); empty where it has none. */
extern CxsigZendeskTags cxsig_zendesk_tags_read(const char *record);

/* Append the record's members but its tags, each with a comma in front; custom_fields as a list. */
extern void cxsig_zendesk_append_fields(StringInfo out, const char *record);

/* Append additional_tags and remove_tags, where there are any, with a comma in front. */
extern void cxsig_zendesk_append_changes(StringInfo out, const CxsigZendeskTags *tags);

/* Append ,"tags": those of a list (JSON) with the changes made. */
extern void cxsig_zendesk_append_merged(StringInfo out, const CxsigZendeskTags *tags,
										const char *list);

#endif
