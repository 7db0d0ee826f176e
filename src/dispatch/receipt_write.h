/*
 * receipt_write.h
 *	  The rows that receipt.c gathers, and the statements that write them.
 */
#ifndef CXSIG_RECEIPT_WRITE_H
#define CXSIG_RECEIPT_WRITE_H

#include "dispatch/item.h"
#include "nodes/pg_list.h"

typedef enum CxsigReceiptKind
{
	CXSIG_RECEIPT_DELIVERED,
	CXSIG_RECEIPT_SUPERSEDED,
	CXSIG_RECEIPT_DEAD,
	CXSIG_RECEIPT_FOLDED,
	CXSIG_RECEIPT_RETRY,
	CXSIG_RECEIPT_BEHIND
} CxsigReceiptKind;

#define CXSIG_RECEIPT_KINDS 6

typedef struct CxsigReceipt
{
	CxsigItem *item;
	CxsigReceiptKind kind;
	int status;
	char *remote_id;
	char *detail;
	bool has_other; /* SUPERSEDED, FOLDED: the event that stands for it */
	pg_uuid_t other;
	TimestampTz finished_at;
	uint64 lane;	 /* RETRY, BEHIND */
	TimestampTz due; /* RETRY */
	bool held;		 /* RETRY */
} CxsigReceipt;

typedef struct CxsigReceipts
{
	CxsigReceipt *items;
	int n;
	int capacity;
	int n_stored; /* of items that have a row in cxsig.retry */
	int by_kind[CXSIG_RECEIPT_KINDS];
	TimestampTz oldest;
	List *checkpoints; /* destinations to write a checkpoint of */
} CxsigReceipts;

/* A guarded task (arg: CxsigReceipts): write them. */
extern void cxsig_receipt_write(void *arg);

#endif
