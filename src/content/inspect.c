/* content/inspect.c - see inspect.h */
#include "content/inspect.h"

#include "content/text.h"
#include "message/link_scan.h"
#include "message/mime_read.h"

#include <stdlib.h>
#include <string.h>

enum { LEAVES = 2 }; /* a text, and a uuencoded file within it */

/* A part that is open. */
struct leaf {
    bool open, more; /* more: for sniff */
    bool collecting; /* octets: it is, or may be, an archive */
    bool named_archive;
    unsigned index;
    struct sniff sniff;
    struct buf octets, name;
    bool attachment;
    uint64_t size; /* octets so far, where they are counted */
};

/* A text that is kept. */
struct kept {
    bool open, html;
    unsigned index;
    struct buf octets, charset;
};

struct inspect {
    const struct inspect_settings *settings;
    struct mime_scan *scan;
    struct inspect_report report;
    struct leaf leaf[LEAVES];
    unsigned linked;      /* index of the leaf that is searched for links */
    uint64_t linked_left; /* octets; 0: none is */
    struct link_scan links;
    struct kept text;
};

bool inspect_prepare(void)
{
    return unpack_prepare();
}

/* --- what is refused --- */

static bool listed(char *const *list, unsigned n, struct slice word)
{
    for (unsigned i = 0; i < n && word.len > 0; i++) {
        struct slice item = slice_of(list[i]);
        item = slice_from(item, item.len > 1 && item.ptr[0] == '.' ? 1 : 0);
        if (slice_ieq(item, word)) {
            return true;
        }
    }
    return false;
}

/* A file of that kind (KIND_NONE: nothing special) and name. */
static bool is_refused(const struct inspect_settings *s, enum content_kind kind,
                       struct slice name)
{
    char text[KIND_EXTENSION_MAX];
    struct slice extension = kind_extension(name, text);
    struct slice id = kind == KIND_NONE ? SLICE("") : slice_of(kind_rows[kind].id);
    if (listed(s->block, s->block_n, id) || listed(s->block, s->block_n, extension)) {
        return true;
    }
    return kind_rows[kind].block && !listed(s->allow, s->allow_n, id) &&
           !listed(s->allow, s->allow_n, extension);
}

/* For people: characters that could do something to a terminal, or to the order of what is
 * read, become "?". */
static void keep_place(struct inspect_file *f, struct slice place)
{
    struct buf text;
    buf_init(&text, (size_t)4 * INSPECT_PLACE_MAX);
    if (place.len > INSPECT_PLACE_MAX) {
        place = slice_from(place, place.len - INSPECT_PLACE_MAX);
    }
    (void)mime_to_utf8(SLICE("utf-8"), place, NULL, &text);
    struct slice s = buf_slice(&text);
    size_t n = 0;
    while (s.len > 0 && n < INSPECT_PLACE_MAX) {
        bool control = s.ptr[0] < ' ' || s.ptr[0] == 0x7f;
        bool c1 = s.len > 1 && s.ptr[0] == 0xc2 && s.ptr[1] < 0xa0;
        bool order = s.len > 2 && s.ptr[0] == 0xe2 &&
                     ((s.ptr[1] == 0x80 && s.ptr[2] >= 0xaa && s.ptr[2] <= 0xae) ||
                      (s.ptr[1] == 0x81 && s.ptr[2] >= 0xa6 && s.ptr[2] <= 0xa9));
        f->place[n++] = control || c1 || order ? '?' : (char)s.ptr[0];
        s = slice_from(s, order ? 3 : c1 ? 2 : 1);
    }
    f->place_len = n;
    buf_clear(&text);
}

static void keep_what(struct inspect_file *f, struct slice name)
{
    static const char *const by[] = {"name", "Content-Type", "content"};
    char extension[KIND_EXTENSION_MAX];
    struct buf text;
    buf_init(&text, INSPECT_WHAT_MAX);
    if (f->kind == KIND_NONE) {
        (void)buf_add_str(&text, "a name that ends in .");
        (void)buf_add_escaped(&text, slice_sub(kind_extension(name, extension), 0, 16));
    } else {
        (void)buf_add_fmt(&text, "%s, by its %s", kind_rows[f->kind].text, by[f->by]);
    }
    f->what_len = text.len;
    memcpy(f->what, text.ptr, text.len);
    buf_clear(&text);
}

/* A file was seen; place: where, name: only its own. */
static void judge(struct inspect *x, enum content_kind kind, enum inspect_by by,
                  struct slice place, struct slice name)
{
    struct inspect_file *f = &x->report.file;
    if (x->report.refused) {
        return;
    }
    if (!is_refused(x->settings, kind, by == BY_NAME ? name : SLICE(""))) {
        x->report.noted[kind] = true;
        return;
    }
    x->report.refused = true;
    f->kind = kind;
    f->by = by;
    keep_place(f, place);
    keep_what(f, name);
}

/* --- archives --- */

static bool on_file(void *arg, const struct unpack_file *f)
{
    struct inspect *x = arg;
    if (f->name.len > 0) {
        judge(x, kind_by_name(f->name), BY_NAME, f->place, f->name);
    }
    if (f->content != KIND_NONE) {
        judge(x, f->content, BY_CONTENT, f->place, f->name);
    }
    if (f->macros) {
        judge(x, KIND_MACRO_DOCUMENT, BY_CONTENT, f->place, f->name);
    }
    if (f->objects) {
        judge(x, KIND_RTF_OBJECT, BY_CONTENT, f->place, f->name);
    }
    if (f->encrypted) {
        bool nested = f->name.len == 0 || kind_names_archive(f->name);
        judge(x, nested ? KIND_ENCRYPTED_NESTED : KIND_ENCRYPTED_ARCHIVE, BY_CONTENT,
              f->place, f->name);
    }
    return !x->report.refused;
}

static void look_into(struct inspect *x, struct leaf *l)
{
    enum content_kind kind = KIND_NONE;
    switch (unpack_look(buf_slice(&l->octets), buf_slice(&l->name), &x->settings->archive,
                        on_file, x)) {
    case UNPACK_UNREADABLE:
    case UNPACK_BEYOND:
        kind = KIND_UNSEARCHABLE;
        break;
    case UNPACK_BOMB:
        kind = KIND_BOMB;
        break;
    case UNPACK_DONE:
    case UNPACK_STOPPED:
        return;
    }
    judge(x, kind, BY_CONTENT, buf_slice(&l->name), buf_slice(&l->name));
}

/* --- parts --- */

static struct leaf *leaf_of(struct inspect *x, unsigned index)
{
    for (unsigned i = 0; i < LEAVES; i++) {
        if (x->leaf[i].open && x->leaf[i].index == index) {
            return &x->leaf[i];
        }
    }
    return NULL;
}

/* Parts that people see as files beside the text. */
static bool is_attachment(const struct mime_entity *e)
{
    if (slice_eq(e->disposition, SLICE("attachment"))) {
        return true;
    }
    if (e->composite) {
        return e->depth > 0 && slice_starts(e->type, SLICE("message/"));
    }
    return e->names->n > 0 && !slice_eq(e->disposition, SLICE("inline"));
}

static void leaf_open(struct inspect *x, const struct mime_entity *e)
{
    struct leaf *l = x->leaf[0].open ? &x->leaf[1] : &x->leaf[0];
    if (l->open) {
        return; /* mime_scan opens no third one */
    }
    buf_reset(&l->octets);
    buf_reset(&l->name);
    l->sniff.decided = false;
    l->sniff.format = SNIFF_UNKNOWN;
    l->sniff.kind = KIND_NONE;
    l->sniff.macros = l->sniff.objects = false;
    l->sniff.total = 0;
    l->sniff.head_n = l->sniff.tail_n = l->sniff.matched = 0;
    l->open = l->more = l->collecting = true;
    l->attachment = !e->attached && is_attachment(e);
    l->size = 0;
    l->named_archive = false;
    l->index = e->index;
    for (unsigned i = 0; i < e->names->n; i++) {
        l->named_archive |= kind_names_archive(mime_name(e->names, i));
    }
    if (e->names->n > 0) {
        (void)buf_add(&l->name, mime_name(e->names, 0));
    } else {
        (void)buf_add_str(&l->name, "unnamed ");
        (void)buf_add(&l->name, e->type);
    }
}

static void on_link(void *arg, struct slice url, struct slice host)
{
    struct inspect *x = arg;
    links_add(&x->report.links, url, host);
}

static void links_open(struct inspect *x, const struct mime_entity *e)
{
    bool html = slice_eq(e->type, SLICE("text/html"));
    bool text = slice_eq(e->type, SLICE("text/plain"));
    if (!(html || text) || e->attached || e->encoding == MIME_UUENCODE) {
        return;
    }
    x->linked = e->index;
    x->linked_left = INSPECT_LINKED_MAX;
    link_scan_init(&x->links, html, on_link, x);
}

/* --- what is kept for rules --- */

static void text_open(struct inspect *x, const struct mime_entity *e)
{
    struct kept *k = &x->text;
    bool html = slice_eq(e->type, SLICE("text/html"));
    if ((x->report.keeps & INSPECT_KEEP_TEXT) == 0 || e->attached || k->open ||
        e->encoding == MIME_UUENCODE || x->report.text_n == INSPECT_TEXTS_MAX ||
        !(html || slice_eq(e->type, SLICE("text/plain")))) {
        return;
    }
    buf_reset(&k->octets);
    buf_reset(&k->charset);
    (void)mime_param(e->params, "charset", &k->charset);
    k->open = true;
    k->html = html;
    k->index = e->index;
}

/* Of buffers far smaller than 4 GiB. */
static struct inspect_piece piece(size_t at, size_t len)
{
    return (struct inspect_piece){(uint32_t)at, (uint32_t)len};
}

static void text_close(struct inspect *x)
{
    struct inspect_report *r = &x->report;
    struct kept *k = &x->text;
    size_t at = r->text.len;
    text_read(buf_slice(&k->charset), k->html, buf_slice(&k->octets), &r->text);
    r->texts[r->text_n++] = piece(at, r->text.len - at);
    k->open = false;
}

static void text_feed(struct kept *k, struct slice octets)
{
    (void)buf_add(&k->octets, slice_sub(octets, 0, INSPECT_TEXT_MAX - k->octets.len));
}

static void keep_piece(struct inspect *x, struct slice s, struct inspect_piece *list,
                       unsigned *n)
{
    struct buf *names = &x->report.names;
    size_t at = names->len;
    if (*n < INSPECT_NAMES_MAX && s.len <= names->max - at && buf_add(names, s)) {
        list[(*n)++] = piece(at, s.len);
    }
}

static void keep_names(struct inspect *x, const struct mime_entity *e)
{
    struct inspect_report *r = &x->report;
    for (unsigned i = 0; i < e->names->n; i++) {
        keep_piece(x, mime_name(e->names, i), r->name, &r->name_n);
    }
    keep_piece(x, e->type, r->type, &r->type_n);
}

/* RFC 2046 5.2.2: without id and number nobody puts the fragments together (some bounces call what
 * they return so). */
static bool can_be_joined(const struct mime_entity *e)
{
    struct buf value;
    buf_init(&value, MIME_NAME_MAX);
    bool both =
        mime_param(e->params, "id", &value) && mime_param(e->params, "number", &value);
    buf_clear(&value);
    return both;
}

static enum mime_want on_begin(void *arg, const struct mime_entity *e)
{
    struct inspect *x = arg;
    bool eml = false;
    struct slice first = e->names->n > 0 ? mime_name(e->names, 0) : e->type;
    if (!e->attached && is_attachment(e)) {
        x->report.attachments++;
        keep_names(x, e);
    }
    for (unsigned i = 0; i < e->names->n; i++) {
        char text[KIND_EXTENSION_MAX];
        struct slice name = mime_name(e->names, i);
        judge(x, kind_by_name(name), BY_NAME, name, name);
        eml |= slice_eq(kind_extension(name, text), SLICE("eml"));
    }
    enum content_kind kind = kind_by_type(e->type);
    if (kind != KIND_NONE && !(kind == KIND_FRAGMENT && !can_be_joined(e))) {
        judge(x, kind, BY_TYPE, first, first);
    }
    if (e->composite) {
        return MIME_SKIP;
    }
    if (eml) {
        return MIME_MESSAGE;
    }
    leaf_open(x, e);
    links_open(x, e);
    text_open(x, e);
    return MIME_CONTENT;
}

static bool on_content(void *arg, unsigned index, struct slice octets)
{
    struct inspect *x = arg;
    struct leaf *l = leaf_of(x, index);
    if (l == NULL) {
        return false;
    }
    l->more = l->more && sniff_feed(&l->sniff, octets);
    if (l->collecting) {
        (void)buf_add(&l->octets, octets);
        l->collecting = !l->octets.failed && (!l->sniff.decided || l->named_archive ||
                                              l->sniff.format == SNIFF_ARCHIVE);
    }
    if (x->linked_left > 0 && x->linked == index) {
        struct slice part = slice_sub(octets, 0, x->linked_left);
        link_scan_feed(&x->links, part);
        x->linked_left -= part.len;
        if (x->linked_left == 0) {
            link_scan_end(&x->links);
        }
    }
    bool sized = l->attachment && (x->report.keeps & INSPECT_KEEP_SIZES) != 0;
    l->size += octets.len;
    bool texted = x->text.open && x->text.index == index;
    if (texted) {
        text_feed(&x->text, octets);
    }
    return l->more || l->collecting || (x->linked_left > 0 && x->linked == index) ||
           sized || (texted && x->text.octets.len < INSPECT_TEXT_MAX);
}

static void on_end(void *arg, unsigned index)
{
    struct inspect *x = arg;
    struct leaf *l = leaf_of(x, index);
    if (l == NULL) {
        return;
    }
    struct slice name = buf_slice(&l->name);
    if (x->linked_left > 0 && x->linked == index) {
        x->linked_left = 0;
        link_scan_end(&x->links);
    }
    if (x->text.open && x->text.index == index) {
        text_close(x);
    }
    if (l->attachment && l->size > x->report.largest) {
        x->report.largest = l->size;
    }
    sniff_end(&l->sniff);
    if (l->sniff.kind != KIND_NONE) {
        judge(x, l->sniff.kind, BY_CONTENT, name, name);
    }
    if (l->sniff.macros) {
        judge(x, KIND_MACRO_DOCUMENT, BY_CONTENT, name, name);
    }
    if (l->sniff.objects) {
        judge(x, KIND_RTF_OBJECT, BY_CONTENT, name, name);
    }
    bool archive = l->named_archive || l->sniff.format == SNIFF_ARCHIVE;
    if (archive && !x->report.refused && l->sniff.head_n > 0) {
        if (l->octets.failed) {
            judge(x, KIND_UNSEARCHABLE, BY_CONTENT, name, name);
        } else {
            look_into(x, l);
        }
    }
    buf_clear(&l->octets);
    l->open = false;
}

static void on_defect(void *arg, enum mime_defect d, bool attached)
{
    struct inspect *x = arg;
    *(attached ? &x->report.defects_attached : &x->report.defects) |= 1ULL << d;
}

static const struct mime_scan_events events = {on_begin, on_content, on_end, on_defect};

/* --- life --- */

struct inspect *inspect_new(const struct inspect_settings *settings)
{
    struct inspect *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return NULL;
    }
    x->settings = settings;
    links_init(&x->report.links);
    buf_init(&x->report.text, INSPECT_TEXT_MAX);
    buf_init(&x->report.names, INSPECT_NAMES_LEN_MAX);
    buf_init(&x->text.octets, INSPECT_TEXT_MAX);
    buf_init(&x->text.charset, MIME_NAME_MAX);
    for (unsigned i = 0; i < LEAVES; i++) {
        buf_init(&x->leaf[i].octets, settings->archive_size);
        buf_init(&x->leaf[i].name, MIME_NAME_MAX);
    }
    x->scan = mime_scan_new(&settings->mime, &events, x);
    if (x->scan == NULL) {
        inspect_free(&x);
    }
    return x;
}

void inspect_free(struct inspect **inspect)
{
    struct inspect *x = *inspect;
    if (x == NULL) {
        return;
    }
    mime_scan_free(&x->scan);
    links_clear(&x->report.links);
    buf_clear(&x->report.text);
    buf_clear(&x->report.names);
    buf_clear(&x->text.octets);
    buf_clear(&x->text.charset);
    for (unsigned i = 0; i < LEAVES; i++) {
        buf_clear(&x->leaf[i].octets);
        buf_clear(&x->leaf[i].name);
    }
    free(x);
    *inspect = NULL;
}

void inspect_keep(struct inspect *x, unsigned keep)
{
    x->report.keeps = keep;
}

bool inspect_feed(struct inspect *x, struct slice in)
{
    return mime_scan_feed(x->scan, in);
}

/* The domain of link i is none that came before. */
static bool is_new_domain(const struct links *l, unsigned i)
{
    for (unsigned j = 0; j < i; j++) {
        if (slice_eq(links_domain(l, i), links_domain(l, j))) {
            return false;
        }
    }
    return true;
}

static void list_domains(struct inspect_report *r)
{
    size_t n = 0;
    for (unsigned i = 0; i < r->links.n; i++) {
        struct slice domain = links_domain(&r->links, i);
        if (n + domain.len + 1 > sizeof r->linked || !is_new_domain(&r->links, i)) {
            continue;
        }
        if (n > 0) {
            r->linked[n++] = ' ';
        }
        memcpy(r->linked + n, domain.ptr, domain.len);
        n += domain.len;
    }
    r->linked_len = n;
}

bool inspect_end(struct inspect *x)
{
    struct inspect_report *r = &x->report;
    bool ok = mime_scan_end(x->scan);
    struct buf notes;
    buf_init(&notes, INSPECT_NOTES_MAX);
    for (unsigned i = 1; i < KIND_N; i++) {
        if (r->noted[i]) {
            (void)buf_add_fmt(&notes, "%s%s", notes.len > 0 ? " " : "", kind_rows[i].id);
        }
    }
    r->notes_len = notes.len;
    if (notes.len > 0) {
        memcpy(r->notes, notes.ptr, notes.len);
    }
    buf_clear(&notes);
    list_domains(r);
    return ok;
}

const struct inspect_report *inspect_report(const struct inspect *x)
{
    return &x->report;
}
