/* The least a reader must do with a file of plain scalar events: read it, check both checksums, take the four values.
 *
 * It knows that every event holds one simple_value and that there are five tags; anything else ends it. The arrays it fills
 * are those that the reader returns. Prints wall and CPU seconds of the fastest of `times` rounds, and the points.
 */
#include <fcntl.h>
#include <nmmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint32_t crc(const uint8_t *p, size_t n) {
    uint64_t c = 0xFFFFFFFF, v;
    for (; n >= 8; n -= 8, p += 8) { memcpy(&v, p, 8); c = _mm_crc32_u64(c, v); }
    for (; n; n--) c = _mm_crc32_u8((uint32_t)c, *p++);
    c = (uint32_t)~c;
    return (((uint32_t)c >> 15) | ((uint32_t)c << 17)) + 0xA282EAD8u;
}

typedef struct { const uint8_t *name; size_t size; int64_t *steps, *order; double *values, *walls; size_t count, room; } Tag;

static long run(const char *path) {
    Tag tags[16];
    int known = 0;
    int file = open(path, O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status)) exit(1);
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size);
    for (size_t done = 0; done < size;) {
        ssize_t part = read(file, data + done, size - done);
        if (part <= 0) exit(1);
        done += (size_t)part;
    }
    close(file);
    long points = 0, order = 0;
    for (size_t pos = 0; pos + 16 <= size; order++) {
        uint64_t length;
        uint32_t stored;
        memcpy(&length, data + pos, 8);
        memcpy(&stored, data + pos + 8, 4);
        if (crc(data + pos, 8) != stored || length > size - pos - 16) exit(2);
        const uint8_t *p = data + pos + 12, *end = p + length;
        memcpy(&stored, end, 4);
        if (crc(p, length) != stored) exit(3);
        pos += length + 16;
        double wall;
        memcpy(&wall, p + 1, 8);
        p += 9;
        int64_t step = 0;
        if (*p == 0x10) {
            int shift = 0;
            do { step |= (int64_t)(*++p & 0x7F) << shift; shift += 7; } while (*p & 0x80);
            p++;
        }
        if (*p != 0x2A) continue; /* the version record */
        p += 5; /* keys and lengths of summary and value, key of the tag: lengths below 128 */
        size_t name = *p++;
        int k = 0;
        while (k < known && (tags[k].size != name || memcmp(tags[k].name, p, name))) k++;
        if (k == known) {
            if (known == 16) exit(4);
            tags[known++] = (Tag){p, name, NULL, NULL, NULL, NULL, 0, 0};
        }
        Tag *tag = &tags[k];
        if (tag->count == tag->room) {
            tag->room = tag->room ? tag->room * 2 : 1024;
            tag->steps = realloc(tag->steps, tag->room * 8);
            tag->order = realloc(tag->order, tag->room * 8);
            tag->values = realloc(tag->values, tag->room * 8);
            tag->walls = realloc(tag->walls, tag->room * 8);
        }
        float value;
        memcpy(&value, p + name + 1, 4);
        tag->steps[tag->count] = step;
        tag->order[tag->count] = order;
        tag->values[tag->count] = value;
        tag->walls[tag->count++] = wall;
        points++;
    }
    for (int k = 0; k < known; k++) { free(tags[k].steps); free(tags[k].order); free(tags[k].values); free(tags[k].walls); }
    free(data);
    return points;
}

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    double best = 1e9, best_cpu = 1e9;
    long points = 0;
    if (argc < 3) return 1;
    for (int k = 0; k < atoi(argv[2]); k++) {
        double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        points = run(argv[1]);
        wall = now(CLOCK_MONOTONIC) - wall;
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        if (wall < best) best = wall;
        if (cpu < best_cpu) best_cpu = cpu;
    }
    printf("%.6f %.6f %ld\n", best, best_cpu, points);
    return 0;
}
