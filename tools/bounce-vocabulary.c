/* bounce-vocabulary LABELLED.TSV EXAMPLES.TSV OUT.C - at build time: the words of these replies (the last
 * cell of each line) with what the automaton and the learned rows say of each (src/bounce/vocabulary.h). */
#include "bounce/normal.h"
#include "bounce/pattern.h"
#include "bounce/phrase.h"
#include "bounce/vocabulary.h"
#include "bounce/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 16384, SLOTS = 1 << 13, WORDS_MAX = SLOTS / 4 * 3, TOKENS_MAX = 1024 };
static struct bounce_vocable slots[SLOTS];
static size_t words_n;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(4);
}

/* Letters and digits of ASCII, not of digits alone: both words.h and edges of pattern.h take it for one
 * word. */
static bool usual(const unsigned char *text, const struct bounce_token *t)
{
    if (t->number || t->to - t->from > BOUNCE_VOCABLE_OCTETS) {
        return false;
    }
    for (size_t i = t->from; i < t->to; i++) {
        if (!ascii_is_digit(text[i]) && (text[i] < 'a' || text[i] > 'z')) {
            return false;
        }
    }
    return true;
}

static bool ends_anywhere(uint32_t cell)
{
    uint32_t state = (cell & (BOUNCE_PHRASE_USUAL - 1)) >> 8;
    return (cell & BOUNCE_PHRASE_ENDS) != 0 &&
           (bounce_phrase_cells[state] & 0xff) == BOUNCE_PHRASE_ANYWHERE;
}

/* Which two octets may come behind the cell; blank: none but such as are behind a blank are asked for. */
static uint64_t pairs_behind(uint32_t cell, bool blank)
{
    uint64_t pairs = 0;
    if (cell == 0) {
        return 0;
    }
    for (unsigned a = 0; a < 256; a++) {
        uint32_t first = bounce_phrase_next(cell, (unsigned char)a);
        for (unsigned b = 0; b < 256 && first != 0 && (blank || a != ' '); b++) {
            if ((first & BOUNCE_PHRASE_ENDS) != 0 ||
                bounce_phrase_next(first, (unsigned char)b) != 0) {
                pairs |= bounce_follow_bit((unsigned char)a, (unsigned char)b);
            }
        }
    }
    return pairs;
}

static bool ends_at_blank(uint32_t cell)
{
    return cell != 0 && (bounce_phrase_next(cell, ' ') & BOUNCE_PHRASE_ENDS) != 0;
}

static uint64_t follow_of(uint32_t cell)
{
    if (cell == 0) {
        return 0;
    }
    return pairs_behind(bounce_phrase_next(cell, ' '), true) | pairs_behind(cell, false);
}

/* Follows the automaton by n octets, as far as it goes. *within: a phrase may end before the last. */
static uint32_t follow_from(uint32_t cell, const unsigned char *octets, size_t n,
                            bool *within)
{
    for (size_t i = 0; i < n; i++) {
        cell = bounce_phrase_next(cell, octets[i]);
        if (cell == 0) {
            return 0;
        }
        *within = *within || (i + 1 < n && ends_anywhere(cell));
    }
    return cell;
}

/* The octets of a vocable; returns how many. */
static size_t octets_of(const struct bounce_vocable *v,
                        unsigned char out[BOUNCE_VOCABLE_OCTETS])
{
    size_t n = 0;
    while (n < BOUNCE_VOCABLE_OCTETS && (v->octets[n / 8] >> n % 8 * 8 & 0xff) != 0) {
        out[n] = v->octets[n / 8] >> n % 8 * 8 & 0xff;
        n++;
    }
    return n;
}

/* Which of all words may come behind the cell and a blank. */
static uint64_t next_of(uint32_t cell)
{
    uint64_t next = 0;
    cell = cell == 0 ? 0 : bounce_phrase_next(cell, ' ');
    for (size_t i = 0; i < SLOTS && cell != 0; i++) {
        unsigned char octets[BOUNCE_VOCABLE_OCTETS + 8]; /* the hash reads on */
        size_t len = octets_of(&slots[i], octets);
        bool within = false;
        if (len > 0 && (follow_from(cell, octets, len, &within) != 0 || within)) {
            next |= bounce_next_bit(bounce_token_hash(octets, len));
        }
    }
    return next;
}

static void describe(const unsigned char *text, const struct bounce_token *t,
                     struct bounce_vocable *v)
{
    unsigned char octets[BOUNCE_VOCABLE_OCTETS + 1] = " ";
    size_t len = (size_t)(t->to - t->from);
    memcpy(octets + 1, text + t->from, len);
    struct bounce_word_alone alone;
    bounce_word_alone(text, t, &alone);
    v->row = (uint16_t)bounce_learned_row_of(alone.word);
    v->stem_row = alone.has_stem ? (uint16_t)bounce_learned_row_of(alone.stem) : 0;
    v->concept = alone.concept;
    v->concept_row =
        alone.concept != 0 ? (uint16_t)bounce_learned_row_of(alone.concept_hash) : 0;
    uint32_t root = bounce_phrase_root[0] << 8;
    bool within = false;
    v->cell[0] = follow_from(root, octets + 1, len, &within);
    v->cell[1] = follow_from(root, octets, len + 1, &within);
    v->ends = (within ? BOUNCE_ENDS_WITHIN : 0) |
              (ends_at_blank(v->cell[0]) ? BOUNCE_ENDS_AT_BLANK : 0) |
              (ends_at_blank(v->cell[1]) ? BOUNCE_ENDS_AT_BLANK_1 : 0);
    v->follow[0] = follow_of(v->cell[0]);
    v->follow[1] = follow_of(v->cell[1]);
}

static void add(const unsigned char *text, const struct bounce_token *t)
{
    size_t len = (size_t)(t->to - t->from), i = t->hash & (SLOTS - 1);
    uint64_t low = bounce_token_part(text + t->from, len);
    uint64_t high = len > 8 ? bounce_token_part(text + t->from + 8, len - 8) : 0;
    for (; slots[i].octets[0] != 0; i = (i + 1) & (SLOTS - 1)) {
        if (slots[i].octets[0] == low && slots[i].octets[1] == high) {
            return;
        }
    }
    if (words_n == WORDS_MAX) {
        return; /* the others are walked */
    }
    words_n++;
    slots[i].octets[0] = low;
    slots[i].octets[1] = high;
    describe(text, t, &slots[i]);
}

static void read_texts(const char *path)
{
    static char line[LINE];
    static struct bounce_normal normal;
    static uint64_t edges[BOUNCE_EDGES(BOUNCE_NORMAL_MAX)];
    static struct bounce_token token[TOKENS_MAX];
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        die(path);
    }
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *last = strrchr(line, '\t');
        bounce_normalize(slice_of(last == NULL ? line : last + 1), 0, &normal);
        bounce_pattern_edges(normal.text, normal.main_len, edges);
        size_t n = bounce_tokens(normal.text, normal.main_len, edges, TOKENS_MAX, token);
        for (size_t i = 0; i < n; i++) {
            if (usual(normal.text, &token[i])) {
                add(normal.text, &token[i]);
            }
        }
    }
    fclose(f);
}

static void find_beginnings(unsigned of, uint64_t out[BOUNCE_BEGINNINGS / 64])
{
    uint32_t cell[4] = {bounce_phrase_root[of] << 8};
    for (unsigned i = 0; i < 1 << 24; i++) {
        unsigned char octet[] = {i >> 16 & 0xff, i >> 8 & 0xff, i & 0xff};
        bool alive = true;
        for (unsigned k = 0; k < 3 && alive; k++) {
            cell[k + 1] = bounce_phrase_next(cell[k], octet[k]);
            alive = cell[k + 1] != 0;
            if (alive && (cell[k + 1] & BOUNCE_PHRASE_ENDS) != 0) {
                break;
            }
        }
        alive = alive && bounce_beginning_asked(of, octet[0]);
        unsigned bit = bounce_beginning(octet);
        out[bit / 64] |= (uint64_t)alive << bit % 64;
    }
}

static void write_beginnings(FILE *f)
{
    fputs("const uint64_t bounce_beginnings[2][BOUNCE_BEGINNINGS / 64] = {\n", f);
    for (unsigned of = 0; of < 2; of++) {
        uint64_t bits[BOUNCE_BEGINNINGS / 64] = {0};
        find_beginnings(of, bits);
        fputs("{\n", f);
        for (unsigned i = 0; i < BOUNCE_BEGINNINGS / 64; i++) {
            fprintf(f, "%#llxU,\n", (unsigned long long)bits[i]);
        }
        fputs("},\n", f);
    }
    fputs("};\n", f);
}

static int write_c(const char *path)
{
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        die(path);
    }
    fprintf(f,
            "/* Generated by tools/bounce-vocabulary.c: %zu words. */\n"
            "#include \"bounce/vocabulary.h\"\n"
            "const uint32_t bounce_vocabulary_mask = %d;\n"
            "const struct bounce_vocable bounce_vocabulary[] = {\n",
            words_n, SLOTS - 1);
    for (size_t i = 0; i < SLOTS; i++) {
        const struct bounce_vocable *v = &slots[i];
        fprintf(f, "{{%#llx, %#llx}, ", (unsigned long long)v->octets[0],
                (unsigned long long)v->octets[1]);
        fprintf(f, "{%#llx, %#llx}, {%#llx, %#llx}, ", (unsigned long long)v->next[0],
                (unsigned long long)v->next[1], (unsigned long long)v->follow[0],
                (unsigned long long)v->follow[1]);
        fprintf(f, "{%u, %u}, %u, %u, %u, %u, %d},\n", v->cell[0], v->cell[1], v->row,
                v->stem_row, v->concept_row, v->concept, v->ends);
    }
    fputs("};\n", f);
    write_beginnings(f);
    return fclose(f) == 0 ? 0 : 4;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: bounce-vocabulary LABELLED.TSV EXAMPLES.TSV OUT.C\n", stderr);
        return 2;
    }
    if ((bounce_phrase_next(bounce_phrase_root[0] << 8, ' ') & BOUNCE_PHRASE_ENDS) != 0) {
        fputs("bounce-vocabulary: a pattern may be one blank\n", stderr);
        return 4;
    }
    read_texts(argv[1]);
    read_texts(argv[2]);
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i].next[0] = next_of(slots[i].cell[0]);
        slots[i].next[1] = next_of(slots[i].cell[1]);
    }
    return write_c(argv[3]);
}
