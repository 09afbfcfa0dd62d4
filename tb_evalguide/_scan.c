/* A window of TFRecords to rows of scalars: the compiled twin of NumpyScanner in sources/scan.py.
 *
 * Nothing here is trusted to be well formed: every length is compared with the bytes that are left before it is used.
 * The decoding part (scan_window and below it) does not touch Python objects, so it runs without the interpreter lock
 * and can be fuzzed as plain C (tests/fuzz/fuzz_scan.c includes this file with SCAN_FUZZ defined).
 */
#ifndef SCAN_FUZZ
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#endif

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define HAVE_PREAD 1
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian machines only; the NumPy scan serves the others"
#endif

enum { HEADER = 12, FOOTER = 4 };
#define LARGE ((uint64_t)1 << 12)         /* scan.LARGE */
#define MAX_LENGTH ((uint64_t)0x7FFFFFFF) /* records.MAX_LENGTH */

enum { END = 0, LARGE_RECORD = 1, BAD_HEADER = 2, BAD_DATA = 3 };
enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };
enum {
    DT_FLOAT = 1, DT_DOUBLE = 2, DT_INT32 = 3, DT_UINT8 = 4, DT_INT16 = 5, DT_INT8 = 6, DT_STRING = 7, DT_INT64 = 9,
    DT_BOOL = 10, DT_BFLOAT16 = 14, DT_UINT16 = 17, DT_HALF = 19, DT_UINT32 = 22, DT_UINT64 = 23
};

/* --- CRC32C --------------------------------------------------------------------------------------------------- */

static uint32_t crc_table[8][256];
static int crc_hardware = 0;

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_SSE42 1
#define WITH_SSE42 __attribute__((target("sse4.2")))
#endif
#define INLINE static inline __attribute__((always_inline))
#if !defined(__GNUC__) && !defined(__clang__)
#undef INLINE
#define INLINE static inline
#endif

static void crc_init(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int k = 0; k < 8; k++) crc = crc & 1 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
        crc_table[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 1; k < 8; k++) crc_table[k][n] = crc_table[0][crc_table[k - 1][n] & 0xFF] ^ (crc_table[k - 1][n] >> 8);
#ifdef HAVE_SSE42
    __builtin_cpu_init();
    crc_hardware = __builtin_cpu_supports("sse4.2") != 0;
#endif
}

INLINE uint64_t load64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
INLINE uint32_t load32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
INLINE uint16_t load16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }

static uint32_t crc_software(const uint8_t *p, size_t n) {
    uint32_t crc = 0xFFFFFFFFu;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v = load64(p) ^ crc;
        crc = crc_table[7][v & 0xFF] ^ crc_table[6][(v >> 8) & 0xFF] ^ crc_table[5][(v >> 16) & 0xFF] ^
              crc_table[4][(v >> 24) & 0xFF] ^ crc_table[3][(v >> 32) & 0xFF] ^ crc_table[2][(v >> 40) & 0xFF] ^
              crc_table[1][(v >> 48) & 0xFF] ^ crc_table[0][v >> 56];
    }
    for (; n; n--, p++) crc = crc_table[0][(crc ^ *p) & 0xFF] ^ (crc >> 8);
    return ~crc;
}

#ifdef HAVE_SSE42
WITH_SSE42 static inline uint32_t crc_sse42(const uint8_t *p, size_t n) {
    uint64_t crc = 0xFFFFFFFFu;
    for (; n >= 8; n -= 8, p += 8) crc = __builtin_ia32_crc32di(crc, load64(p));
    uint32_t c = (uint32_t)crc;
    if (n & 4) { c = __builtin_ia32_crc32si(c, load32(p)); p += 4; }
    if (n & 2) { c = __builtin_ia32_crc32hi(c, load16(p)); p += 2; }
    if (n & 1) c = __builtin_ia32_crc32qi(c, *p);
    return ~c;
}
#endif

static uint32_t crc32c(const uint8_t *p, size_t n) {
#ifdef HAVE_SSE42
    if (crc_hardware) return crc_sse42(p, n);
#endif
    return crc_software(p, n);
}

INLINE uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u; }

/* First position from `start` on where a valid header stands, or -1. */
static int64_t find_header(const uint8_t *data, size_t start, size_t stop) {
    for (size_t pos = start; pos + HEADER <= stop; pos++) {
        if (load64(data + pos) <= MAX_LENGTH && masked(crc32c(data + pos, 8)) == load32(data + pos + 8)) return (int64_t)pos;
    }
    return -1;
}

/* --- tags ------------------------------------------------------------------------------------------------------ */

enum { TOLD = 1, TOLD_FOREIGN = 2, IS_TEXT = 4 };

typedef struct {
    uint64_t hash;
    size_t at; /* of its bytes in the arena */
    uint32_t size;
    int32_t number; /* of its rows; -1: no scalar seen yet */
    int32_t next;   /* tag that followed last time; -1 */
    int64_t waiting; /* its rows that were not taken yet */
    uint8_t flags;
} Tag;

typedef struct { int64_t step; double value, wall_time; int32_t tag; uint32_t order; } Row; /* order: beyond first_order */
typedef struct { int64_t order; size_t start, stop; } Special;
typedef struct { const uint8_t *tag; uint32_t size; uint8_t action; double value; } Found;
enum { SCALAR, BLOB, FOREIGN, TEXT, TEXT_IF_KNOWN };

typedef struct {
    Tag *tags; size_t tag_count, tag_room;
    int32_t *slots; size_t slot_count; /* power of two; -1: empty */
    uint8_t *arena; size_t arena_used, arena_room;
    int32_t numbers, previous;
    uint64_t seed;
    int graph_told;
    Row *rows; size_t row_count, row_room; /* of all windows, until they are taken */
    int64_t first_order;
    int32_t *fresh; size_t fresh_count, fresh_room; /* tags numbered in this window */
    Special *specials; size_t special_count, special_room;
    size_t *bad; size_t bad_count, bad_room;
    Found *found; size_t found_count, found_room; /* values of the event at hand */
    double first_wall, last_wall;
    int busy;
} State;

/* Room for one more element; 0 when memory is out. */
#define GROW(array, count, room) \
    ((count) < (room) ? 1 : grow((void **)&(array), &(room), sizeof *(array)))

static int grow(void **array, size_t *room, size_t size) {
    size_t wanted = *room ? *room * 2 : 64;
    if (wanted > SIZE_MAX / size) return 0;
    void *larger = realloc(*array, wanted * size);
    if (!larger) return 0;
    *array = larger;
    *room = wanted;
    return 1;
}

static uint64_t hash_bytes(const uint8_t *p, size_t n, uint64_t seed) {
    uint64_t h = seed ^ (n * 0x9E3779B97F4A7C15ull);
    for (; n >= 8; n -= 8, p += 8) { h = (h ^ load64(p)) * 0xD6E8FEB86659FD93ull; h ^= h >> 32; }
    uint64_t rest = 0;
    for (size_t k = 0; k < n; k++) rest |= (uint64_t)p[k] << (8 * k);
    h = (h ^ rest) * 0xD6E8FEB86659FD93ull;
    return h ^ (h >> 29);
}

static int same_tag(const State *s, int32_t k, const uint8_t *tag, uint32_t size) {
    return s->tags[k].size == size && (size == 0 || memcmp(s->arena + s->tags[k].at, tag, size) == 0);
}

static int rehash(State *s) {
    size_t count = s->slot_count ? s->slot_count * 2 : 256;
    int32_t *slots = malloc(count * sizeof *slots);
    if (!slots) return 0;
    for (size_t k = 0; k < count; k++) slots[k] = -1;
    for (size_t k = 0; k < s->tag_count; k++) {
        size_t at = s->tags[k].hash & (count - 1);
        while (slots[at] >= 0) at = (at + 1) & (count - 1);
        slots[at] = (int32_t)k;
    }
    free(s->slots);
    s->slots = slots;
    s->slot_count = count;
    return 1;
}

/* Slot of a tag, or the empty one where it belongs. Called only when there are slots. */
static size_t slot_of(const State *s, const uint8_t *tag, uint32_t size, uint64_t hash) {
    size_t at = hash & (s->slot_count - 1);
    int32_t k;
    while ((k = s->slots[at]) >= 0 && !(s->tags[k].hash == hash && same_tag(s, k, tag, size))) at = (at + 1) & (s->slot_count - 1);
    return at;
}

/* Flags of a tag; 0 for one never seen. */
static uint8_t flags_of(const State *s, const uint8_t *tag, uint32_t size) {
    if (!s->slot_count) return 0;
    int32_t k = s->slots[slot_of(s, tag, size, hash_bytes(tag, size, s->seed))];
    return k < 0 ? 0 : s->tags[k].flags;
}

/* Index of a tag, added when it is new; -1 when memory is out. */
static int32_t find_tag(State *s, const uint8_t *tag, uint32_t size) {
    if (s->previous >= 0) { /* writers repeat their tags in the same sequence */
        int32_t guess = s->tags[s->previous].next;
        if (guess >= 0 && same_tag(s, guess, tag, size)) return s->previous = guess;
    }
    if (2 * (s->tag_count + 1) > s->slot_count && !rehash(s)) return -1;
    uint64_t hash = hash_bytes(tag, size, s->seed);
    size_t at = slot_of(s, tag, size, hash);
    int32_t k = s->slots[at];
    if (k < 0) {
        if (s->tag_count >= INT32_MAX || !GROW(s->tags, s->tag_count, s->tag_room)) return -1;
        while (s->arena_room - s->arena_used < size)
            if (!grow((void **)&s->arena, &s->arena_room, 1)) return -1;
        k = (int32_t)s->tag_count++;
        if (size) memcpy(s->arena + s->arena_used, tag, size);
        s->tags[k] = (Tag){hash, s->arena_used, size, -1, -1, 0, 0};
        s->arena_used += size;
        s->slots[at] = k;
    }
    if (s->previous >= 0) s->tags[s->previous].next = k;
    return s->previous = k;
}

/* The tag's row number, given when it has none; -1 when memory is out. */
static int32_t number_tag(State *s, int32_t k) {
    if (s->tags[k].number < 0) {
        if (!GROW(s->fresh, s->fresh_count, s->fresh_room)) return -1;
        s->fresh[s->fresh_count++] = k;
        s->tags[k].number = s->numbers++;
    }
    return s->tags[k].number;
}

/* A row for the tag at `index`. 0 when memory is out. */
INLINE int add_row(State *s, int32_t index, int64_t step, double value, double wall, int64_t order) {
    int32_t number = number_tag(s, index);
    if (number < 0 || !GROW(s->rows, s->row_count, s->row_room)) return 0;
    if (s->row_count == 0) s->first_order = order;
    if ((uint64_t)(order - s->first_order) > UINT32_MAX) return 0; /* four thousand million rows: memory is out long before */
    s->rows[s->row_count++] =
        (Row){step, value != value ? (double)NAN : value, wall, index, (uint32_t)(order - s->first_order)};
    s->tags[index].waiting++;
    return 1;
}

/* --- protobuf wire format (twin of sources/wire.py) ------------------------------------------------------------ */

typedef struct { uint32_t number, wire; uint64_t value; const uint8_t *start, *stop; } Field;

INLINE int read_varint(const uint8_t **pos, const uint8_t *end, uint64_t *out) {
    const uint8_t *p = *pos;
    if (p < end && *p < 0x80) { *out = *p; *pos = p + 1; return 1; }
    uint64_t value = 0;
    for (int shift = 0; shift < 70 && p < end; shift += 7) {
        uint8_t byte = *p++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) { *out = value; *pos = p; return 1; }
    }
    return 0;
}

/* The next field of the message; 0 when the bytes are no message. Called only while *pos < end. */
INLINE int next_field(const uint8_t **pos, const uint8_t *end, Field *f) {
    uint64_t key, size;
    f->value = 0;
    f->start = f->stop = *pos;
    if (!read_varint(pos, end, &key)) return 0;
    uint64_t number = key >> 3;
    if (number == 0 || number >= (1u << 29)) return 0;
    f->number = (uint32_t)number;
    f->wire = key & 7;
    switch (f->wire) {
    case VARINT: return read_varint(pos, end, &f->value);
    case LENGTH: if (!read_varint(pos, end, &size)) return 0; break;
    case FIXED64: size = 8; break;
    case FIXED32: size = 4; break;
    default: return 0;
    }
    if (size > (uint64_t)(end - *pos)) return 0;
    f->start = *pos;
    f->stop = *pos += size;
    return 1;
}

INLINE double as_double(const uint8_t *p) { double v; memcpy(&v, p, 8); return v; }
INLINE double as_float(const uint8_t *p) { float v; memcpy(&v, p, 4); return v; }

static double from_bits32(uint32_t bits) { float v; memcpy(&v, &bits, 4); return v; }

static double from_half(uint16_t bits) {
    uint64_t sign = (uint64_t)(bits >> 15) << 63, fraction = bits & 0x3FF, out;
    int exponent = (bits >> 10) & 0x1F;
    double value;
    if (exponent == 0) {
        value = (double)fraction * 0x1p-24;
        return sign ? -value : value;
    }
    if (exponent == 31) out = sign | 0x7FF0000000000000ull | (fraction << 42);
    else out = sign | (uint64_t)(exponent - 15 + 1023) << 52 | (fraction << 42);
    memcpy(&value, &out, 8);
    return value;
}

static double from_varint(uint64_t v, uint64_t dtype) {
    switch (dtype) {
    case DT_HALF: return from_half((uint16_t)v);
    case DT_BFLOAT16: return from_bits32((uint32_t)(uint16_t)v << 16);
    case DT_BOOL: return v != 0;
    case DT_INT32: return (int32_t)(uint32_t)v;
    case DT_UINT8: return (uint8_t)v;
    case DT_INT16: return (int16_t)(uint16_t)v;
    case DT_INT8: return (int8_t)(uint8_t)v;
    case DT_UINT16: return (uint16_t)v;
    case DT_INT64: return (double)(int64_t)v;
    case DT_UINT32: return (uint32_t)v;
    default: return (double)v; /* DT_UINT64 */
    }
}

/* Bytes of one value in tensor_content, and the field that holds the values otherwise; 0 for types that are no number. */
static int type_size(uint64_t dtype, uint32_t *field) {
    switch (dtype) {
    case DT_FLOAT: *field = 5; return 4;
    case DT_DOUBLE: *field = 6; return 8;
    case DT_INT32: *field = 7; return 4;
    case DT_INT16: case DT_UINT16: *field = 7; return 2;
    case DT_INT8: case DT_UINT8: *field = 7; return 1;
    case DT_INT64: *field = 10; return 8;
    case DT_BOOL: *field = 11; return 1;
    case DT_BFLOAT16: case DT_HALF: *field = 13; return 2;
    case DT_UINT32: *field = 16; return 4;
    case DT_UINT64: *field = 17; return 8;
    default: return 0;
    }
}

static double from_content(const uint8_t *p, uint64_t dtype) {
    switch (dtype) {
    case DT_FLOAT: return as_float(p);
    case DT_DOUBLE: return as_double(p);
    case DT_INT32: case DT_UINT32: return from_varint(load32(p), dtype);
    case DT_INT64: case DT_UINT64: return from_varint(load64(p), dtype);
    case DT_INT8: case DT_UINT8: case DT_BOOL: return from_varint(*p, dtype);
    default: return from_varint(load16(p), dtype);
    }
}

/* 1 with a number, 0 without one, -1 when the bytes are no message. */
static int read_tensor(const uint8_t *start, const uint8_t *end, uint64_t *dtype, double *number) {
    const uint8_t *pos = start, *content = NULL;
    size_t content_size = 0;
    int scalar = 1;
    Field f, g;
    *dtype = 0;
    while (pos < end) {
        if (!next_field(&pos, end, &f)) return -1;
        if (f.number == 1 && f.wire == VARINT) *dtype = f.value;
        else if (f.number == 4 && f.wire == LENGTH) { content = f.start; content_size = (size_t)(f.stop - f.start); }
        else if (f.number == 2 && f.wire == LENGTH) {
            const uint8_t *inner = f.start;
            while (inner < f.stop) {
                if (!next_field(&inner, f.stop, &g)) return -1;
                if ((g.number == 2 && g.wire == LENGTH) || (g.number == 3 && g.wire == VARINT && g.value)) scalar = 0;
            }
        }
    }
    uint32_t wanted = 0;
    int size = type_size(*dtype, &wanted);
    if (!scalar || !size) return 0;
    if (content_size) {
        if (content_size != (size_t)size) return 0;
        *number = from_content(content, *dtype);
        return 1;
    }
    *number = 0.0;
    for (pos = start; pos < end;) {
        if (!next_field(&pos, end, &f)) return -1;
        if (f.number != wanted || (f.wire == LENGTH && f.start == f.stop)) continue;
        if (*dtype == DT_FLOAT || *dtype == DT_DOUBLE) {
            if (f.wire == LENGTH && (size_t)(f.stop - f.start) % (size_t)size) return -1;
            if (f.wire == LENGTH || f.wire == (*dtype == DT_FLOAT ? FIXED32 : FIXED64)) {
                *number = from_content(f.start, *dtype);
                return 1;
            }
        } else if (f.wire == VARINT) {
            *number = from_varint(f.value, *dtype);
            return 1;
        } else if (f.wire == LENGTH) {
            uint64_t first;
            const uint8_t *inner = f.start;
            if (!read_varint(&inner, f.stop, &first)) return -1;
            *number = from_varint(first, *dtype);
            return 1;
        }
    }
    return 1;
}

static int is_word(const uint8_t *start, const uint8_t *stop, const char *word) {
    size_t size = strlen(word);
    return (size_t)(stop - start) == size && (size == 0 || memcmp(start, word, size) == 0);
}

/* Reads a Summary.Value into s->found. 1 fine, 0 no message, -1 memory is out. *special: the event must be told. */
static int read_value(State *s, const uint8_t *pos, const uint8_t *end, int *special) {
    enum { NOTHING, SIMPLE, TENSOR, OTHER } kind = NOTHING;
    const uint8_t *tag = pos, *tag_stop = pos, *span = pos, *span_stop = pos, *plugin = pos, *plugin_stop = pos;
    double number = 0;
    Field f, g, h;
    while (pos < end) {
        if (!next_field(&pos, end, &f)) return 0;
        if (f.number == 2 && f.wire == FIXED32) { kind = SIMPLE; number = as_float(f.start); }
        else if (f.wire != LENGTH) continue;
        else if (f.number == 1) { tag = f.start; tag_stop = f.stop; }
        else if (f.number == 8) { kind = TENSOR; span = f.start; span_stop = f.stop; }
        else if (f.number >= 3 && f.number <= 6) kind = OTHER;
        else if (f.number == 9) {
            plugin = plugin_stop = f.start;
            for (const uint8_t *inner = f.start; inner < f.stop;) {
                if (!next_field(&inner, f.stop, &g)) return 0;
                if (g.number != 1 || g.wire != LENGTH) continue;
                for (const uint8_t *core = g.start; core < g.stop;) {
                    if (!next_field(&core, g.stop, &h)) return 0;
                    if (h.number == 1 && h.wire == LENGTH) { plugin = h.start; plugin_stop = h.stop; }
                }
            }
        }
    }
    uint8_t action = SCALAR;
    int named = plugin < plugin_stop, foreign = named && !is_word(plugin, plugin_stop, "scalars");
    if (foreign && is_word(plugin, plugin_stop, "hparams")) *special = 1;
    if (kind == TENSOR) {
        uint64_t dtype = 0;
        int numeric = read_tensor(span, span_stop, &dtype, &number);
        if (numeric < 0) return 0;
        if (numeric) action = foreign ? FOREIGN : SCALAR;
        else if (dtype != DT_STRING) action = BLOB;
        else if (!named) action = TEXT_IF_KNOWN;
        else action = is_word(plugin, plugin_stop, "text") ? TEXT : BLOB;
    } else if (kind == NOTHING && !foreign) {
        return 1; /* nothing was written */
    } else if (kind != SIMPLE) {
        action = BLOB;
    }
    if (!GROW(s->found, s->found_count, s->found_room)) return -1;
    s->found[s->found_count++] = (Found){tag, (uint32_t)(tag_stop - tag), action, number};
    return 1;
}

/* Takes the values of a whole, well-formed event over into the rows. 0 when memory is out. */
static int take(State *s, int64_t step, double wall, int64_t order, int *special) {
    for (size_t k = 0; k < s->found_count; k++) {
        Found *v = &s->found[k];
        int32_t index = find_tag(s, v->tag, v->size);
        if (index < 0) return 0;
        Tag *tag = &s->tags[index];
        if (v->action == SCALAR) {
            if (!add_row(s, index, step, v->value, wall, order)) return 0;
            continue;
        }
        if (v->action == TEXT) tag->flags |= IS_TEXT;
        if (v->action == TEXT || (v->action == TEXT_IF_KNOWN && tag->flags & IS_TEXT)) { *special = 1; continue; }
        uint8_t flag = v->action == FOREIGN ? TOLD_FOREIGN : TOLD;
        if (!(tag->flags & flag)) { tag->flags |= flag; *special = 1; }
    }
    return 1;
}

INLINE void saw(State *s, double wall) {
    if (wall != wall) return;
    if (s->first_wall != s->first_wall) s->first_wall = wall;
    s->last_wall = wall;
}

/* The event nearly every writer writes: wall time, step, one tag with one simple value, nothing else, tag below 116 bytes.
 * 1 when it was one and is taken, 0 when the long way has to look, -1 when memory is out. */
INLINE int read_plain(State *s, const uint8_t *p, const uint8_t *end, int64_t order) {
    if (end - p < 22 || p[0] != 0x09) return 0;
    double wall = as_double(p + 1);
    uint64_t step = 0;
    p += 9;
    if (*p == 0x10) {
        p++;
        if (!read_varint(&p, end, &step)) return 0;
    }
    size_t left = (size_t)(end - p); /* 2A, summary's length, 0A, value's length, 0A, tag's length, tag, 15, four bytes */
    if (left < 11 || left > 127 || p[0] != 0x2A || p[1] != left - 2 || p[2] != 0x0A || p[3] != left - 4) return 0;
    if (p[4] != 0x0A || p[5] != left - 11 || p[left - 5] != 0x15) return 0;
    int32_t index = find_tag(s, p + 6, (uint32_t)(left - 11));
    if (index < 0 || !add_row(s, index, (int64_t)step, as_float(end - 4), wall, order)) return -1;
    saw(s, wall);
    return 1;
}

/* One record's data. 1 an event, 0 no event, -1 memory is out. */
static int read_event(State *s, const uint8_t *base, const uint8_t *start, const uint8_t *end, int64_t order) {
    double wall = 0;
    uint64_t step = 0;
    int special = 0, graph = 0;
    const uint8_t *pos = start;
    Field f, g;
    int plain = read_plain(s, start, end, order);
    if (plain) return plain;
    s->found_count = 0;
    while (pos < end) {
        if (!next_field(&pos, end, &f)) return 0;
        if (f.number == 1 && f.wire == FIXED64) wall = as_double(f.start);
        else if (f.number == 2 && f.wire == VARINT) step = f.value;
        else if (f.wire != LENGTH) continue;
        else if (f.number == 5) {
            for (const uint8_t *inner = f.start; inner < f.stop;) {
                if (!next_field(&inner, f.stop, &g)) return 0;
                if (g.number != 1 || g.wire != LENGTH) continue;
                int read = read_value(s, g.start, g.stop, &special);
                if (read <= 0) return read;
            }
        }
        else if (f.number == 3 || f.number == 7) special = 1;
        else if (f.number == 4 || f.number == 9) graph = 1;
    }
    if (!take(s, (int64_t)step, wall, order, &special)) return -1;
    if (graph && !s->graph_told) { s->graph_told = 1; special = 1; }
    if (special) {
        if (!GROW(s->specials, s->special_count, s->special_room)) return -1;
        s->specials[s->special_count++] = (Special){order, (size_t)(start - base), (size_t)(end - base)};
    }
    saw(s, wall);
    return 1;
}

/* --- long records ------------------------------------------------------------------------------------------------ */

/* The next field of a message of which only the bytes before `avail` are here. 0: not to be told from these bytes. */
INLINE int peek_field(const uint8_t **pos, const uint8_t *end, const uint8_t *avail, Field *f) {
    if (avail < end && (*pos > avail || avail - *pos < 20)) return 0; /* a key and a length have at most ten bytes each */
    return next_field(pos, end, f);
}

/* Whether a Summary.Value brings nothing new: no number, no text, and its tag's plugin was told. */
static int is_known_blob(const State *s, const uint8_t *pos, const uint8_t *end, const uint8_t *avail) {
    const uint8_t *tag = pos, *tag_stop = pos, *plugin = pos, *plugin_stop = pos;
    int tensor = 0, other = 0, ranked = 0;
    uint64_t dtype = 0;
    Field f, g, h;
    while (pos < end) {
        if (!peek_field(&pos, end, avail, &f)) return 0;
        if (f.number == 2 && f.wire == FIXED32) return 0;
        if (f.wire != LENGTH) continue;
        if (f.number == 1 || f.number == 9) {
            if (f.stop > avail) return 0;
            if (f.number == 1) { tag = f.start; tag_stop = f.stop; continue; }
            plugin = plugin_stop = f.start;
            for (const uint8_t *inner = f.start; inner < f.stop;) {
                if (!next_field(&inner, f.stop, &g)) return 0;
                if (g.number != 1 || g.wire != LENGTH) continue;
                for (const uint8_t *core = g.start; core < g.stop;) {
                    if (!next_field(&core, g.stop, &h)) return 0;
                    if (h.number == 1 && h.wire == LENGTH) { plugin = h.start; plugin_stop = h.stop; }
                }
            }
        } else if (f.number >= 3 && f.number <= 6) {
            other = 1;
        } else if (f.number == 8) {
            if (tensor) return 0;
            tensor = 1;
            for (const uint8_t *inner = f.start; inner < f.stop;) {
                if (!peek_field(&inner, f.stop, avail, &g)) return 0;
                if (g.number == 1 && g.wire == VARINT) dtype = g.value;
                if (g.number != 2 || g.wire != LENGTH) continue;
                if (g.stop > avail) return 0;
                for (const uint8_t *dims = g.start; dims < g.stop;) {
                    if (!next_field(&dims, g.stop, &h)) return 0;
                    if ((h.number == 2 && h.wire == LENGTH) || (h.number == 3 && h.wire == VARINT && h.value)) ranked = 1;
                }
            }
        }
    }
    if (tensor == other) return 0; /* neither, or both: the field parser decides */
    int named = plugin < plugin_stop;
    if (named && (is_word(plugin, plugin_stop, "hparams") || is_word(plugin, plugin_stop, "text"))) return 0;
    uint8_t flags = flags_of(s, tag, (uint32_t)(tag_stop - tag));
    if (tensor && !ranked) return 0;
    if (tensor && dtype == DT_STRING && !named && flags & IS_TEXT) return 0;
    return (flags & TOLD) != 0;
}

/* Whether a long record, of which the bytes before `avail` are here, holds nothing but blobs that were told before. */
static int is_known(const State *s, const uint8_t *pos, const uint8_t *end, const uint8_t *avail, double *wall) {
    Field f, g;
    *wall = 0;
    while (pos < end) {
        if (!peek_field(&pos, end, avail, &f)) return 0;
        if (f.number == 1 && f.wire == FIXED64) {
            if (f.stop > avail) return 0;
            *wall = as_double(f.start);
        }
        if (f.wire != LENGTH) continue;
        if (f.number == 3 || f.number == 7) return 0;
        if ((f.number == 4 || f.number == 9) && !s->graph_told) return 0;
        if (f.number != 5) continue;
        for (const uint8_t *inner = f.start; inner < f.stop;) {
            if (!peek_field(&inner, f.stop, avail, &g)) return 0;
            if (g.number == 1 && g.wire == LENGTH && !is_known_blob(s, g.start, g.stop, avail)) return 0;
        }
    }
    return 1;
}

/* --- records --------------------------------------------------------------------------------------------------- */

/* pos: where to go on, after a skipped record perhaps beyond the window. skipped: start of an unread record that ends there,
 * or -1. */
typedef struct { uint64_t pos; int status; int64_t events, skipped; } Scanned;

/* `left`: bytes from data to the end of the file, of which the first `stop` are here. */
INLINE int scan_records(State *s, const uint8_t *data, size_t stop, uint64_t left, int64_t order, int check, Scanned *out,
                        uint32_t (*crc)(const uint8_t *, size_t)) {
    uint64_t pos = 0;
    int64_t events = 0, skipped = -1;
    int status = END;
    while (pos <= stop && stop - pos >= HEADER) {
        uint64_t length = load64(data + pos);
        if (length > MAX_LENGTH || masked(crc(data + pos, 8)) != load32(data + pos + 8)) { status = BAD_HEADER; break; }
        int whole = length + HEADER + FOOTER <= stop - pos;
        const uint8_t *start = data + pos + HEADER, *end = start + length;
        if (length > LARGE) {
            if (length + HEADER + FOOTER > left - pos) { status = LARGE_RECORD; break; }
            double wall;
            /* `end` may lie beyond the window: compared with, never read. */
            if (is_known(s, start, end, whole ? end : data + stop, &wall)) {
                saw(s, wall);
                skipped = (int64_t)pos;
                pos += length + HEADER + FOOTER;
                events++;
                continue;
            }
            if (!whole || (check && masked(crc(start, (size_t)length)) != load32(end))) { status = LARGE_RECORD; break; }
            skipped = check ? -1 : (int64_t)pos;
        } else {
            if (!whole) break;
            skipped = -1;
        }
        if (check && length <= LARGE && masked(crc(start, (size_t)length)) != load32(end)) { status = BAD_DATA; break; }
        int read = read_event(s, data, start, end, order + events);
        if (read < 0) return 0;
        if (read == 0) {
            if (!GROW(s->bad, s->bad_count, s->bad_room)) return 0;
            s->bad[s->bad_count++] = (size_t)pos;
        }
        events++;
        pos += length + HEADER + FOOTER;
    }
    *out = (Scanned){pos, status, events, skipped};
    return 1;
}

#ifdef HAVE_SSE42
WITH_SSE42 static int scan_sse42(State *s, const uint8_t *data, size_t stop, uint64_t left, int64_t order, int check,
                                 Scanned *out) {
    return scan_records(s, data, stop, left, order, check, out, crc_sse42);
}
#endif

static int scan_once(State *s, const uint8_t *data, size_t stop, uint64_t left, int64_t order, int check, Scanned *out) {
#ifdef HAVE_SSE42
    if (crc_hardware) return scan_sse42(s, data, stop, left, order, check, out);
#endif
    return scan_records(s, data, stop, left, order, check, out, crc_software);
}

static void scan_begin(State *s) {
    s->fresh_count = s->special_count = s->bad_count = 0;
    s->first_wall = s->last_wall = (double)NAN;
}

/* One window, and no more. */
static int scan_window(State *s, const uint8_t *data, size_t stop, uint64_t left, int64_t order, int check, Scanned *out) {
    scan_begin(s);
    return scan_once(s, data, stop, left, order, check, out);
}

#ifdef HAVE_PREAD
enum { AFTER_JUMP = 2048, AT_ONCE = 1 << 26 };

/* One window, and then, as long as nothing needs the caller, the next ones, read from `file` into `data`, which has room for
 * `room` bytes and came from `offset`. After a jump over an image only a little is read, as another may follow. Places in
 * *out and s->bad count from the first window, those in s->specials from the last, which starts at *shift. */
static int scan_file(State *s, uint8_t *data, size_t room, size_t stop, uint64_t left, int64_t order, int check, int file,
                     uint64_t offset, Scanned *out, uint64_t *shift) {
    size_t wanted = stop;
    scan_begin(s);
    *out = (Scanned){0, END, 0, -1};
    *shift = 0;
    for (;;) {
        Scanned part;
        size_t bad = s->bad_count;
        if (!scan_once(s, data, stop, left, order + out->events, check, &part)) return 0;
        for (; bad < s->bad_count; bad++) s->bad[bad] += (size_t)*shift;
        if (part.events) out->skipped = part.skipped < 0 ? -1 : part.skipped + (int64_t)*shift;
        out->pos = *shift + part.pos;
        out->events += part.events;
        out->status = part.status;
        if (part.status != END || s->special_count || part.pos >= left || left <= stop || out->pos > AT_ONCE) return 1;
        if (part.pos > stop) wanted = AFTER_JUMP;
        else if (part.pos == 0 && wanted >= room) return 1; /* no progress: a window is longer than any record it needs */
        else wanted = wanted > room / 4 ? room : wanted * 4;
        uint64_t rest = left - part.pos;
        size_t size = rest < wanted ? (size_t)rest : wanted, done = 0;
        while (done < size) {
            ssize_t got = pread(file, data + done, size - done, (off_t)(offset + out->pos + done));
            if (got <= 0) return 1; /* the caller reads from here, and meets the error or the end itself */
            done += (size_t)got;
        }
        *shift = out->pos;
        left = rest;
        stop = done;
    }
}
#endif

static void state_init(State *s, uint64_t seed) {
    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->previous = -1;
}

static void state_free(State *s) {
    free(s->tags); free(s->slots); free(s->arena); free(s->rows); free(s->fresh); free(s->specials); free(s->bad);
    free(s->found);
}

/* How many eight-byte words gather_rows writes. */
static size_t gathered_size(const State *s) { return (size_t)s->numbers + 1 + 4 * s->row_count; }

/* Writes the waiting rows grouped by tag, and lets them go: where each tag's begin, and where the last one's end; then all
 * steps, all values, all wall times and all orders. */
static void gather_rows(State *s, int64_t *starts) {
    size_t count = s->row_count, tags = (size_t)s->numbers;
    int64_t *steps = starts + tags + 1, *orders = steps + 3 * count, begin = 0;
    double *values = (double *)(steps + count), *walls = values + count;
    int64_t *cursor = starts + 1; /* each begins where its tag's rows do, and ends where the next one's do */
    starts[0] = 0;
    for (size_t k = 0; k < s->tag_count; k++) {
        if (s->tags[k].number >= 0) cursor[s->tags[k].number] = s->tags[k].waiting;
        s->tags[k].waiting = 0;
    }
    for (size_t k = 0; k < tags; k++) {
        int64_t size = cursor[k];
        cursor[k] = begin;
        begin += size;
    }
    for (size_t k = 0; k < count; k++) {
        const Row *row = &s->rows[k];
        int64_t at = cursor[s->tags[row->tag].number]++;
        steps[at] = row->step;
        values[at] = row->value;
        walls[at] = row->wall_time;
        orders[at] = s->first_order + row->order;
    }
    free(s->rows);
    s->rows = NULL;
    s->row_count = s->row_room = 0;
}

#ifndef SCAN_FUZZ
/* --- Python ---------------------------------------------------------------------------------------------------- */

typedef struct { PyObject_HEAD State state; } Scanner;

static PyObject *scanner_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    unsigned long long seed = 0;
    if (kwargs && PyDict_Size(kwargs)) { PyErr_SetString(PyExc_TypeError, "Scanner takes no keywords"); return NULL; }
    if (!PyArg_ParseTuple(args, "|K", &seed)) return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Scanner *self = (Scanner *)alloc(type, 0);
    if (self) state_init(&self->state, seed);
    return (PyObject *)self;
}

static void scanner_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    state_free(&((Scanner *)self)->state);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* A list built from `count` items of `make`; NULL with an error set. */
static PyObject *list_of(size_t count, PyObject *(*make)(const State *, size_t), const State *s) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t k = 0; list && k < count; k++) {
        PyObject *item = make(s, k);
        if (!item || PyList_SetItem(list, (Py_ssize_t)k, item) < 0) { Py_DECREF(list); return NULL; }
    }
    return list;
}

static PyObject *make_tag(const State *s, size_t k) {
    const Tag *tag = &s->tags[s->fresh[k]];
    return PyBytes_FromStringAndSize(tag->size ? (const char *)s->arena + tag->at : "", (Py_ssize_t)tag->size);
}

static PyObject *make_special(const State *s, size_t k) {
    const Special *special = &s->specials[k];
    return Py_BuildValue("Lnn", (long long)special->order, (Py_ssize_t)special->start, (Py_ssize_t)special->stop);
}

static PyObject *make_bad(const State *s, size_t k) { return PyLong_FromSize_t(s->bad[k]); }

static PyObject *scanner_scan(PyObject *self, PyObject *args) {
    State *s = &((Scanner *)self)->state;
    PyObject *data;
    Py_ssize_t stop;
    long long left, order, offset;
    int check, file, fine;
    Scanned scanned = {0, END, 0, -1};
    uint64_t shift = 0;
    if (!PyArg_ParseTuple(args, "OnLLpiL", &data, &stop, &left, &order, &check, &file, &offset)) return NULL;
    if (!PyByteArray_Check(data)) { PyErr_SetString(PyExc_TypeError, "scan reads a bytearray"); return NULL; }
    if (stop < 0 || stop > PyByteArray_Size(data)) { PyErr_SetString(PyExc_ValueError, "stop lies outside the data"); return NULL; }
    if (left < stop || offset < 0) { PyErr_SetString(PyExc_ValueError, "the file ends before the window"); return NULL; }
    if (s->busy) { PyErr_SetString(PyExc_RuntimeError, "a scanner serves one thread at a time"); return NULL; }
    s->busy = 1;
    /* `args` holds the bytearray, and the reader that owns it does not resize it. */
    uint8_t *bytes = (uint8_t *)PyByteArray_AsString(data);
    size_t room = (size_t)PyByteArray_Size(data);
    Py_BEGIN_ALLOW_THREADS
#ifdef HAVE_PREAD
    if (file >= 0)
        fine = scan_file(s, bytes, room, (size_t)stop, (uint64_t)left, order, check, file, (uint64_t)offset, &scanned, &shift);
    else
#endif
        fine = scan_window(s, bytes, (size_t)stop, (uint64_t)left, order, check, &scanned);
    Py_END_ALLOW_THREADS
    (void)room;
    s->busy = 0;
    if (!fine) return PyErr_NoMemory();
    PyObject *tags = list_of(s->fresh_count, make_tag, s);
    PyObject *specials = list_of(s->special_count, make_special, s);
    PyObject *bad = list_of(s->bad_count, make_bad, s);
    if (!tags || !specials || !bad) {
        Py_XDECREF(tags); Py_XDECREF(specials); Py_XDECREF(bad);
        return NULL;
    }
    return Py_BuildValue("NNNLiLddLL", tags, specials, bad, (long long)scanned.pos, scanned.status,
                         (long long)scanned.events, s->first_wall, s->last_wall, (long long)scanned.skipped, (long long)shift);
}

/* Index of the tag in a bytes object; -1 with an error set. */
static int32_t tag_of(State *s, PyObject *tag) {
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(tag, &bytes, &size) < 0) return -1;
    if ((uint64_t)size > MAX_LENGTH) { PyErr_SetString(PyExc_ValueError, "tag too long"); return -1; }
    if (s->busy) { PyErr_SetString(PyExc_RuntimeError, "a scanner serves one thread at a time"); return -1; }
    int32_t index = find_tag(s, (const uint8_t *)bytes, (uint32_t)size);
    if (index < 0) PyErr_NoMemory();
    return index;
}

static PyObject *scanner_add(PyObject *self, PyObject *args) {
    State *s = &((Scanner *)self)->state;
    PyObject *tag;
    long long step, order;
    double value, wall;
    if (!PyArg_ParseTuple(args, "SLddL", &tag, &step, &value, &wall, &order)) return NULL;
    int32_t index = tag_of(s, tag);
    if (index < 0) return NULL;
    if (!add_row(s, index, step, value, wall, order)) return PyErr_NoMemory();
    return PyLong_FromLong(s->tags[index].number);
}

static PyObject *scanner_waiting(PyObject *self, PyObject *unused) {
    (void)unused;
    return PyLong_FromSize_t(((Scanner *)self)->state.row_count);
}

/* Asks for large pages under a large block: the faults of small ones were a seventh of the time of a million points. */
static void in_huge_pages(void *block, size_t size) {
#ifdef MADV_HUGEPAGE
    uintptr_t page = 1 << 21, begin = ((uintptr_t)block + page - 1) & ~(page - 1), end = ((uintptr_t)block + size) & ~(page - 1);
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)block; (void)size;
#endif
}

static PyObject *scanner_take(PyObject *self, PyObject *unused) {
    State *s = &((Scanner *)self)->state;
    (void)unused;
    if (s->busy) { PyErr_SetString(PyExc_RuntimeError, "a scanner serves one thread at a time"); return NULL; }
    size_t words = gathered_size(s);
    if (words > PY_SSIZE_T_MAX / 8) return PyErr_NoMemory();
    PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(words * 8));
    if (!out) return NULL;
    int64_t *starts = (int64_t *)PyBytes_AsString(out); /* behind the four words of an object's head: aligned */
    in_huge_pages(starts, words * 8);
    s->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    gather_rows(s, starts);
    Py_END_ALLOW_THREADS
    s->busy = 0;
    return Py_BuildValue("Ni", out, (int)s->numbers);
}

static PyObject *scanner_mark_text(PyObject *self, PyObject *tag) {
    State *s = &((Scanner *)self)->state;
    int32_t index = tag_of(s, tag);
    if (index < 0) return NULL;
    s->tags[index].flags |= IS_TEXT;
    Py_RETURN_NONE;
}

static PyObject *module_find_header(PyObject *module, PyObject *args) {
    const char *data;
    Py_ssize_t size, start;
    int64_t found;
    (void)module;
    if (!PyArg_ParseTuple(args, "y#n", &data, &size, &start)) return NULL;
    if (start < 0) { PyErr_SetString(PyExc_ValueError, "start lies outside the data"); return NULL; }
    Py_BEGIN_ALLOW_THREADS
    found = find_header((const uint8_t *)data, (size_t)start, (size_t)size);
    Py_END_ALLOW_THREADS
    return PyLong_FromLongLong(found);
}

static PyObject *module_crc32c(PyObject *module, PyObject *data) {
    char *bytes;
    Py_ssize_t size;
    (void)module;
    if (PyBytes_AsStringAndSize(data, &bytes, &size) < 0) return NULL;
    return PyLong_FromUnsignedLong(crc32c((const uint8_t *)bytes, (size_t)size));
}

static PyMethodDef scanner_methods[] = {
    {"scan", scanner_scan, METH_VARARGS, "scan(data, stop, left, order, check_crc, file, offset): the records of data[:stop], and on from file"},
    {"add", scanner_add, METH_VARARGS, "add(tag, step, value, wall_time, order): one more row; the tag's number"},
    {"waiting", scanner_waiting, METH_NOARGS, "waiting(): rows that were not taken yet"},
    {"take", scanner_take, METH_NOARGS, "take(): the waiting rows grouped by tag, as gather_rows writes them, and the number of tags"},
    {"mark_text", scanner_mark_text, METH_O, "mark_text(tag): the tag holds texts"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot scanner_slots[] = {
    {Py_tp_new, scanner_new},
    {Py_tp_dealloc, scanner_dealloc},
    {Py_tp_methods, scanner_methods},
    {Py_tp_doc, "Scanner(seed): reads one file's windows in turn and knows its tags"},
    {0, NULL},
};

static PyType_Spec scanner_spec = {"tb_evalguide._scan.Scanner", sizeof(Scanner), 0, Py_TPFLAGS_DEFAULT, scanner_slots};

static PyMethodDef module_methods[] = {
    {"find_header", module_find_header, METH_VARARGS, "find_header(data, start): first valid header, or -1"},
    {"crc32c", module_crc32c, METH_O, "crc32c(data)"},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module) {
    crc_init();
    PyObject *type = PyType_FromSpec(&scanner_spec);
    if (!type) return -1;
    if (PyModule_AddObject(module, "Scanner", type) < 0) { Py_DECREF(type); return -1; }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT, "_scan", "The compiled scan of TensorBoard event files.", 0, module_methods, module_slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__scan(void) { return PyModuleDef_Init(&module_def); }
#endif
