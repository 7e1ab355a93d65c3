/* config/describe.h - the tables of settings as text: a whole configuration file at its
 * defaults, and the part of postern.conf(5) that lists them.
 *
 * Errors  out->failed, when out is too small: DESCRIBE_MAX is enough. */
#ifndef CONFIG_DESCRIBE_H
#define CONFIG_DESCRIBE_H
#include "base/buf.h"

enum { DESCRIBE_MAX = 256 * 1024 };

/* A file that config_load() takes: every setting with its help, range and default, and
 * one listener on loopback. */
void describe_defaults(struct buf *out);

/* scdoc(5) source, from the heading "SETTINGS" on. */
void describe_man(struct buf *out);
#endif
