/*
 * file.h
 *	  Reading a file by name out of a directory that a setting names, and from nowhere else.
 */
#ifndef CXSIG_FILE_H
#define CXSIG_FILE_H

/* Where files of a kind are. */
typedef struct CxsigFilePlace
{
	char **directory;	 /* the setting's value; "" means that there are none */
	const char *setting; /* its name */
	int max_size;
} CxsigFilePlace;

/*
 * The contents of a file, without the line ends at its end, in the current context. NULL where it
 * cannot be read, is empty or too large, or its name leads elsewhere; *reason is then the rest of a
 * message, and shows nothing of what is in the file.
 */
extern char *cxsig_file_read(const CxsigFilePlace *place, const char *name, char **reason);

#endif
