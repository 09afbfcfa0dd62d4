/* libFuzzer target of the compiled scan: every input is scanned as it is, and once more with its checksums put right.
 *
 * Without the repair nearly every mutation would end at a wrong CRC; with it the event parser is reached. Beside what the
 * sanitizers watch, it holds the scan to what its caller relies on: places inside the window, rows of known tags, and the
 * same rows whether the window comes whole or in two parts.
 */
#define _GNU_SOURCE
#define SCAN_FUZZ
#include "../../tb_evalguide/_scan.c"

#include <stdio.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

static void check(const State *s, const Scanned *out, size_t stop, size_t left) {
    REQUIRE(out->pos <= left && (out->pos <= stop || out->skipped >= 0) && out->skipped < (int64_t)stop);
    REQUIRE(out->events >= 0 && (uint64_t)out->events <= left / (HEADER + FOOTER));
    for (size_t k = 0; k < s->row_count; k++) REQUIRE(s->rows[k].tag >= 0 && (size_t)s->rows[k].tag < s->tag_count && s->tags[s->rows[k].tag].number >= 0);
    for (size_t k = 0; k < s->special_count; k++)
        REQUIRE(s->specials[k].start <= s->specials[k].stop && s->specials[k].stop + FOOTER <= stop);
    for (size_t k = 0; k < s->bad_count; k++) REQUIRE(s->bad[k] < out->pos);
    for (size_t k = 0; k < s->fresh_count; k++) REQUIRE(s->fresh[k] >= 0 && (size_t)s->fresh[k] < s->tag_count);
}

/* A copy of exactly `size` bytes, so that a read beyond it is caught. */
static uint8_t *copy(const uint8_t *data, size_t size) {
    uint8_t *out = malloc(size ? size : 1);
    REQUIRE(out);
    if (size) memcpy(out, data, size);
    return out;
}

static void run(const uint8_t *data, size_t size) {
    State whole, parts;
    Scanned out, first, second = {0, END, 0, -1};
    state_init(&whole, 1);
    state_init(&parts, 2);
    uint8_t *bytes = copy(data, size);
    REQUIRE(scan_window(&whole, bytes, size, size, 0, 1, &out));
    check(&whole, &out, size, size);

    size_t cut = size ? data[size / 2] * size / 256 : 0;
    uint8_t *head = copy(data, cut);
    REQUIRE(scan_window(&parts, head, cut, size, 0, 1, &first));
    check(&parts, &first, cut, size);
    REQUIRE(parts.row_count <= whole.row_count);
    if (first.status == END) {
        uint8_t *tail = copy(data + first.pos, size - first.pos);
        REQUIRE(scan_window(&parts, tail, size - first.pos, size - first.pos, first.events, 1, &second));
        check(&parts, &second, size - first.pos, size - first.pos);
        REQUIRE(first.pos + second.pos == out.pos && second.status == out.status);
        REQUIRE(first.events + second.events == out.events && parts.row_count == whole.row_count);
        free(tail);
    }
    REQUIRE(parts.row_count == 0 || memcmp(parts.rows, whole.rows, parts.row_count * sizeof(Row)) == 0);

#ifdef __linux__
    /* Once more from a file, through a buffer that holds two long records at most. */
    State reading;
    Scanned last;
    uint64_t shift;
    size_t room = 2 * (LARGE + HEADER + FOOTER), begin = size < room ? size : room;
    uint8_t *buffer = malloc(room);
    int file = memfd_create("fuzz", 0);
    REQUIRE(buffer && file >= 0 && write(file, data, size) == (ssize_t)size);
    if (begin) memcpy(buffer, data, begin);
    state_init(&reading, 3);
    REQUIRE(scan_file(&reading, buffer, room, begin, size, 0, 1, file, 0, &last, &shift));
    REQUIRE(last.pos <= size && shift <= last.pos && reading.row_count <= whole.row_count);
    REQUIRE(reading.row_count == 0 || memcmp(reading.rows, whole.rows, reading.row_count * sizeof(Row)) == 0);
    for (size_t k = 0; k < reading.special_count; k++)
        REQUIRE(reading.specials[k].start <= reading.specials[k].stop && reading.specials[k].stop + FOOTER <= room);
    for (size_t k = 0; k < reading.bad_count; k++) REQUIRE(reading.bad[k] < last.pos);
    close(file);
    free(buffer);
    state_free(&reading);
#endif

    size_t count = whole.row_count, tags = (size_t)whole.numbers;
    int64_t *starts = malloc(gathered_size(&whole) * 8), *steps = starts + tags + 1;
    Row *rows = malloc((count + 1) * sizeof *rows);
    REQUIRE(starts && rows);
    if (count) memcpy(rows, whole.rows, count * sizeof *rows);
    gather_rows(&whole, starts);
    REQUIRE(whole.row_count == 0 && starts[0] == 0 && starts[tags] == (int64_t)count);
    for (size_t k = 0; k < tags; k++) REQUIRE(starts[k] < starts[k + 1]);
    for (size_t k = 0; k < count; k++) { /* the next row of its tag: the start moves on */
        int64_t at = starts[whole.tags[rows[k].tag].number]++;
        REQUIRE(steps[at] == rows[k].step && memcmp(steps + count + at, &rows[k].value, 8) == 0);
        REQUIRE(memcmp(steps + 2 * count + (size_t)at, &rows[k].wall_time, 8) == 0 && steps[3 * count + (size_t)at] == whole.first_order + rows[k].order);
    }
    free(starts); free(rows);

    for (size_t pos = (size_t)out.pos; ;) {
        int64_t found = find_header(bytes, pos, size);
        if (found < 0) break;
        REQUIRE((size_t)found >= pos && (size_t)found + HEADER <= size);
        pos = (size_t)found + 1;
    }
    REQUIRE(crc32c(bytes, size) == crc_software(bytes, size));
    free(head); free(bytes);
    state_free(&whole);
    state_free(&parts);
}

/* Walks the records and makes every checksum, and the last length, right. */
static void repair(uint8_t *data, size_t size) {
    size_t pos = 0;
    while (size - pos >= HEADER + FOOTER) {
        uint64_t length = load64(data + pos), room = size - pos - HEADER - FOOTER;
        if (length > room) length = room;
        memcpy(data + pos, &length, 8);
        uint32_t crc = masked(crc32c(data + pos, 8));
        memcpy(data + pos + 8, &crc, 4);
        crc = masked(crc32c(data + pos + HEADER, (size_t)length));
        memcpy(data + pos + HEADER + length, &crc, 4);
        pos += HEADER + (size_t)length + FOOTER;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!crc_table[0][1]) crc_init();
    run(data, size);
    uint8_t *fixed = copy(data, size);
    repair(fixed, size);
    run(fixed, size);
    free(fixed);
    return 0;
}
