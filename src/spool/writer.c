/* spool/writer.c - see writer.h: the event loop's side. */
#include "spool/writer_internal.h"

#include "base/clock.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    ASK_AGAIN_MS = 1000,    /* after a refusal */
    ASK_PATIENCE_MS = 10000 /* unanswered for so long: there is no queue */
};

static void take_list(struct list *from, struct list *to)
{
    list_init(to);
    while (!list_empty(from)) {
        struct list *node = from->next;
        list_remove(node);
        list_append(to, node);
    }
}

static struct spool_message *message_of(struct list *node)
{
    return LIST_ITEM(node, struct spool_message, node);
}

void writer_kick(struct spool_writer *w)
{
    /* Runs when what this round of the loop has to do is done: what it commits goes
     * together. */
    event_active(w->kick, EV_TIMEOUT, 0);
}

void writer_seal(struct spool_writer *w, struct open_segment *g)
{
    uint64_t id = g->id, end = g->end;
    /* Closed before it is told: the store takes no seal of a segment that is still held.
     */
    if (g->fd >= 0) {
        (void)close(g->fd);
    }
    free(g);
    w->ops->sealed(w->arg, id, end);
}

static void arm_timer(struct spool_writer *w)
{
    static const struct timeval second = {ASK_AGAIN_MS / 1000, 0};
    (void)evtimer_add(w->timer, &second);
}

void writer_ask_for(struct spool_writer *w, struct spool_message *m)
{
    m->cookie = ++w->next_cookie;
    m->asked_ms = clock_mono_ms();
    list_append(&w->asking, &m->asking);
    arm_timer(w);
    w->ops->ask(w->arg, m->cookie, m->len + 1);
}

/* Asks for a shared segment when the next one is not there and will soon be needed. */
static void ask_if_needed(struct spool_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    bool need = w->next == NULL &&
                (w->current == NULL || w->current->end > w->current->capacity / 2);
    (void)pthread_mutex_unlock(&w->mutex);
    if (!need || w->asked != 0 || !w->started) {
        return;
    }
    w->asked = ++w->next_cookie;
    w->asked_ms = clock_mono_ms();
    arm_timer(w);
    w->ops->ask(w->arg, w->asked, 0);
}

static void fail_all(struct list *messages)
{
    while (!list_empty(messages)) {
        message_finish(message_of(messages->next), SPOOL_FAIL);
    }
}

/* Small messages that wait for a segment, when none is to be had. */
static void fail_waiting(struct spool_writer *w)
{
    struct list small;
    list_init(&small);
    (void)pthread_mutex_lock(&w->mutex);
    bool none = w->current == NULL && w->next == NULL;
    struct list *node = w->waiting.next;
    while (none && node != &w->waiting) {
        struct list *next = node->next;
        if (message_of(node)->step == MESSAGE_SMALL) {
            list_remove(node);
            list_append(&small, node);
        }
        node = next;
    }
    (void)pthread_mutex_unlock(&w->mutex);
    for (node = small.next; node != &small; node = node->next) {
        message_of(node)->at_thread = false;
    }
    fail_all(&small);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
    struct spool_writer *w = arg;
    struct list failed;
    (void)fd;
    (void)what;
    (void)pthread_mutex_lock(&w->mutex);
    while (!list_empty(&w->ready)) {
        struct list *node = w->ready.next;
        list_remove(node);
        list_append(&w->waiting, node);
    }
    bool wake = w->idle;
    (void)pthread_mutex_unlock(&w->mutex);
    if (wake) {
        (void)pthread_cond_signal(&w->wake);
    }
    take_list(&w->deferred, &failed);
    fail_all(&failed);
    if (w->state != SPOOL_READY) {
        fail_waiting(w);
    }
}

/* What the thread has done: first the queue learns of it, then those who wait. */
static void collect(struct spool_writer *w)
{
    struct spool_place place[512];
    struct list finished, sealed;
    size_t n = 0;
    (void)pthread_mutex_lock(&w->mutex);
    take_list(&w->finished, &finished);
    take_list(&w->sealed, &sealed);
    (void)pthread_mutex_unlock(&w->mutex);
    _Static_assert(sizeof place / sizeof place[0] <= SPOOL_PLACES_MAX, "one notice");
    for (struct list *node = finished.next; node != &finished; node = node->next) {
        const struct spool_message *m = message_of(node);
        if (m->res == SPOOL_OK && (m->step == MESSAGE_SMALL || m->last)) {
            place[n++] = m->place;
        }
        if (n > 0 && (n == sizeof place / sizeof place[0] || node->next == &finished)) {
            w->ops->spooled(w->arg, place, n);
            n = 0;
        }
    }
    while (!list_empty(&sealed)) {
        struct open_segment *g = LIST_ITEM(sealed.next, struct open_segment, node);
        list_remove(&g->node);
        writer_seal(w, g);
    }
    while (!list_empty(&finished)) {
        message_returned(message_of(finished.next));
    }
    ask_if_needed(w);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count = 0;
    (void)what;
    if (read(fd, &count, sizeof count) == (ssize_t)sizeof count) {
        collect(arg);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct spool_writer *w = arg;
    uint64_t now = clock_mono_ms();
    (void)fd;
    (void)what;
    struct list *node = w->asking.next;
    while (node != &w->asking) {
        struct spool_message *m = LIST_ITEM(node, struct spool_message, asking);
        if (now - m->asked_ms < ASK_PATIENCE_MS) {
            node = node->next;
            continue;
        }
        message_refused(m);
        node = w->asking.next; /* resume() may have freed any */
    }
    if (w->asked == 0) {
        ask_if_needed(w);
    } else if (now - w->asked_ms >= ASK_PATIENCE_MS) {
        w->state = SPOOL_NO_QUEUE; /* the question stands; an answer mends it */
        fail_waiting(w);
    }
    if (w->asked != 0 || !list_empty(&w->asking)) {
        arm_timer(w);
    }
}

static bool make_events(struct spool_writer *w)
{
    w->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->eventfd < 0) {
        return false;
    }
    w->signal = event_new(w->base, w->eventfd, EV_READ | EV_PERSIST, on_signal, w);
    w->kick = event_new(w->base, -1, 0, on_kick, w);
    w->timer = evtimer_new(w->base, on_timer, w);
    return w->signal != NULL && w->kick != NULL && w->timer != NULL &&
           event_add(w->signal, NULL) == 0;
}

static void dispose(struct spool_writer *w)
{
    struct event *events[] = {w->signal, w->kick, w->timer};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    if (w->eventfd >= 0) {
        (void)close(w->eventfd);
    }
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->mutex);
    free(w);
}

struct spool_writer *spool_writer_new(struct event_base *base, uint64_t memory_max,
                                      const struct spool_writer_ops *ops, void *arg)
{
    struct spool_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->base = base;
    w->memory_max = memory_max;
    w->ops = ops;
    w->arg = arg;
    w->eventfd = -1;
    struct list *lists[] = {&w->ready,   &w->deferred, &w->asking,
                            &w->waiting, &w->finished, &w->sealed};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        list_init(lists[i]);
    }
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    if (!make_events(w)) {
        dispose(w);
        return NULL;
    }
    return w;
}

bool spool_writer_start(struct spool_writer *w)
{
    w->started = pthread_create(&w->thread, NULL, commit_thread, w) == 0;
    ask_if_needed(w);
    return w->started;
}

void spool_writer_free(struct spool_writer **writer)
{
    struct spool_writer *w = *writer;
    *writer = NULL;
    if (w == NULL) {
        return;
    }
    while (!list_empty(&w->asking)) {
        message_refused(LIST_ITEM(w->asking.next, struct spool_message, asking));
    }
    /* A streamed message may need one more round after the piece at the thread. */
    bool more = w->started;
    while (more) {
        on_kick(-1, 0, w);
        (void)pthread_mutex_lock(&w->mutex);
        w->stop = true;
        (void)pthread_cond_signal(&w->wake);
        (void)pthread_mutex_unlock(&w->mutex);
        (void)pthread_join(w->thread, NULL);
        w->started = false; /* asks for nothing any more */
        collect(w);
        more = !list_empty(&w->ready);
        if (more) {
            w->stop = false;
            more = pthread_create(&w->thread, NULL, commit_thread, w) == 0;
        }
    }
    on_kick(-1, 0, w);
    struct open_segment *left[] = {w->current, w->next};
    w->current = w->next = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (left[i] != NULL) {
            writer_seal(w, left[i]);
        }
    }
    fail_waiting(w);
    dispose(w);
}

static void take_shared(struct spool_writer *w, struct open_segment *g)
{
    w->asked = 0;
    w->state = SPOOL_READY;
    (void)pthread_mutex_lock(&w->mutex);
    if (w->current == NULL) {
        w->current = g;
    } else {
        w->next = g;
    }
    bool wake = w->idle;
    (void)pthread_mutex_unlock(&w->mutex);
    if (wake) {
        (void)pthread_cond_signal(&w->wake);
    }
}

static struct spool_message *asked_by(struct spool_writer *w, uint64_t cookie)
{
    for (struct list *node = w->asking.next; node != &w->asking; node = node->next) {
        struct spool_message *m = LIST_ITEM(node, struct spool_message, asking);
        if (m->cookie == cookie) {
            return m;
        }
    }
    return NULL;
}

void spool_writer_give(struct spool_writer *w, uint64_t cookie, uint64_t segment,
                       uint64_t capacity, int fd)
{
    struct open_segment *g = malloc(sizeof *g);
    if (g == NULL) {
        (void)close(fd);
        w->ops->sealed(w->arg, segment, 0);
        spool_writer_refuse(w, cookie, SPOOL_IO_ERROR);
        return;
    }
    *g = (struct open_segment){.id = segment, .capacity = capacity, .fd = fd};
    list_init(&g->node);
    struct spool_message *m = asked_by(w, cookie);
    if (cookie == w->asked && cookie != 0) {
        take_shared(w, g);
        ask_if_needed(w);
    } else if (m != NULL) {
        message_given(m, g);
    } else {
        writer_seal(w, g);
    }
}

void spool_writer_refuse(struct spool_writer *w, uint64_t cookie, enum spool_state why)
{
    struct spool_message *m = asked_by(w, cookie);
    if (m != NULL) {
        message_refused(m);
        return;
    }
    if (cookie == 0 || cookie != w->asked) {
        return;
    }
    w->asked = 0;
    w->state = why == SPOOL_READY ? SPOOL_NO_QUEUE : why;
    fail_waiting(w);
    arm_timer(w);
}

void spool_writer_reconnected(struct spool_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    w->retire = true;
    bool wake = w->idle;
    (void)pthread_mutex_unlock(&w->mutex);
    if (wake) {
        (void)pthread_cond_signal(&w->wake);
    }
    uint64_t now = clock_mono_ms();
    for (struct list *node = w->asking.next; node != &w->asking; node = node->next) {
        struct spool_message *m = LIST_ITEM(node, struct spool_message, asking);
        m->asked_ms = now;
        w->ops->ask(w->arg, m->cookie, m->len + 1);
    }
    if (w->asked != 0) {
        w->asked_ms = now;
        w->ops->ask(w->arg, w->asked, 0);
    }
    ask_if_needed(w);
}

enum spool_state spool_writer_state(const struct spool_writer *w)
{
    return w->state;
}

uint64_t spool_writer_memory(const struct spool_writer *w)
{
    return w->memory;
}
