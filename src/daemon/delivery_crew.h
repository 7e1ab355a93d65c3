/* daemon/delivery_crew.h - threads of the delivery role for what takes long (delivery/remote.h, struct remote_work). */
#ifndef DAEMON_DELIVERY_CREW_H
#define DAEMON_DELIVERY_CREW_H
#include "delivery/remote.h"

struct event_base;
struct delivery_crew;

/* threads: at most CREW_THREADS_MAX (directory/crew.h). NULL: no memory, or no thread. */
MUST_USE struct delivery_crew *delivery_crew_new(struct event_base *base,
                                                 unsigned threads);
/* False: too much to do; w->done() will not be called. */
MUST_USE bool delivery_crew_put(struct delivery_crew *c, struct remote_work *w);
#endif
