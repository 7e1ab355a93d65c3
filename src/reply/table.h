/* reply/table.h - between the generated table and reply.c; others call reply_row(). */
#ifndef REPLY_TABLE_H
#define REPLY_TABLE_H
#include "reply/reply.h"

extern const struct reply_row reply_rows[REPLY_ID_COUNT];
#endif
