/* The logbook of truth.c: what became of every request, how late every write was. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int64_t ns; /* CLOCK_MONOTONIC */

enum { LATE_BINS = 200000 }; /* of a microsecond; what is later than that counts as that */

typedef struct {
    char id[96]; /* the client's x-request-id */
    ns arrival, first, last, gap_p50, gap_max;
    int events, whole;
} entry;

static struct {
    entry *entries;
    size_t used, room;
    uint32_t late[LATE_BINS];
    uint64_t writes, requests, broken, events, connections;
    int active, active_max;
} logbook;

static int by_value(const void *a, const void *b) {
    ns x = *(const ns *)a, y = *(const ns *)b;
    return (x > y) - (x < y);
}

/* Sorts the gaps. Percentiles are those of a sample: inverted CDF. */
static void record(entry e, ns *gaps, int count) {
    if (logbook.used == logbook.room) {
        logbook.room = logbook.room ? 2 * logbook.room : 1024;
        logbook.entries = realloc(logbook.entries, sizeof e * logbook.room);
    }
    qsort(gaps, count, sizeof *gaps, by_value);
    e.gap_p50 = count ? gaps[(count - 1) / 2] : 0;
    e.gap_max = count ? gaps[count - 1] : 0;
    logbook.entries[logbook.used++] = e;
}

static void record_write(ns late) {
    ns bin = late / 1000;
    logbook.late[bin < LATE_BINS ? bin : LATE_BINS - 1]++;
    logbook.writes++;
}

static void forget(void) {
    memset(logbook.late, 0, sizeof logbook.late);
    logbook.used = logbook.writes = logbook.requests = logbook.broken = logbook.events = logbook.connections = 0;
    logbook.active_max = logbook.active;
}

static int late_us(double share) {
    uint64_t seen = 0, rank = share * logbook.writes;
    int bin = 0;
    while ((seen += logbook.late[bin]) <= rank && seen < logbook.writes) bin++;
    return bin;
}

static int render_statistics(char *out, size_t size) {
    return snprintf(out, size,
                    "{\"requests\": %lu, \"broken\": %lu, \"events\": %lu, \"connections\": %lu, \"active\": %d, "
                    "\"active_max\": %d, \"late_us\": {\"p50\": %d, \"p99\": %d, \"max\": %d}}\n",
                    logbook.requests, logbook.broken, logbook.events, logbook.connections, logbook.active,
                    logbook.active_max, late_us(.5), late_us(.99), late_us(1));
}

static void write_log(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        return;
    }
    fputs("request_id,arrival_ns,first_ns,last_ns,events,whole,gap_p50_ns,gap_max_ns\n", file);
    for (entry *e = logbook.entries; e < logbook.entries + logbook.used; e++)
        fprintf(file, "%s,%ld,%ld,%ld,%d,%d,%ld,%ld\n", e->id, e->arrival, e->first, e->last, e->events, e->whole,
                e->gap_p50, e->gap_max);
    fclose(file);
}
