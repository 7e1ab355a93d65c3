/* filter/state.h - how far asking a filter about a message is. */
#ifndef FILTER_STATE_H
#define FILTER_STATE_H

enum filter_state {
    FILTER_NONE = 0, /* not asked */
    FILTER_ASKED,
    FILTER_ANSWERED, /* its verdict is there */
    FILTER_DOWN,     /* there will be none */
};
#endif
