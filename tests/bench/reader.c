/*
 * reader - the floor: as little as a client of truth.c can do and still date every content event.
 *
 * Build  cc -O2 -o reader reader.c
 * Run    ./reader -p PORT -m MODEL [-c CONNECTIONS] [-d SECONDS] [-r RAMP_S] [-n] [-o ROWS.csv]
 *
 * Closed loop: each connection asks, waits for the whole answer and asks again, for SECONDS; they begin spread over
 * RAMP_S. -n asks for whole answers. Times are the kernel's receive times (SO_TIMESTAMPNS), else its own clock.
 * Content is found by its bytes; truth.c writes every event into one segment, so none is met in halves.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef int64_t ns;
#define SECOND 1000000000LL

enum { MAX_EVENTS = 4096, READ_BYTES = 65536 };
static const char CONTENT[] = "\"content\":\" "; /* the role's content is empty, all others begin with a space */

typedef struct {
    int fd, events;
    uint64_t asked; /* requests so far: with the descriptor, the request's id */
    ns sent, at[MAX_EVENTS];
} stream;

static int epoll_fd, port, plain;
static const char *model = "sim";
static FILE *rows;
static ns realtime_offset;

static ns clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void ask(stream *s) {
    char body[256], request[1024];
    static const char BODY[] = "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    int size = snprintf(body, sizeof body, BODY, model, plain ? "false" : "true");
    size = snprintf(request, sizeof request,
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
                    "x-request-id: %d-%lu\r\ncontent-length: %d\r\n\r\n%s",
                    s->fd, ++s->asked, size, body);
    s->events = 0;
    s->sent = clock_ns(CLOCK_MONOTONIC);
    if (send(s->fd, request, size, MSG_NOSIGNAL) != size) perror("reader: send"), exit(1);
}

static void start(stream *s) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s->fd, (void *)&at, sizeof at)) perror("reader: connect"), exit(1);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = s});
    ask(s);
}

static ns arrival(struct msghdr *message) {
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_TIMESTAMPNS) continue;
        struct timespec *t = (void *)CMSG_DATA(h);
        return t->tv_sec * SECOND + t->tv_nsec - realtime_offset;
    }
    return clock_ns(CLOCK_MONOTONIC);
}

static int by_value(const void *a, const void *b) {
    ns x = *(const ns *)a, y = *(const ns *)b;
    return (x > y) - (x < y);
}

static void write_row(stream *s) {
    ns gaps[MAX_EVENTS];
    int count = s->events - 1;
    if (!rows || count < 1) return;
    for (int i = 0; i < count; i++) gaps[i] = s->at[i + 1] - s->at[i];
    qsort(gaps, count, sizeof *gaps, by_value);
    fprintf(rows, "%d-%lu,%.6f,%.6f,%.6f\n", s->fd, s->asked, (s->at[0] - s->sent) / 1e9, gaps[(count - 1) / 2] / 1e9,
            gaps[count - 1] / 1e9);
}

/* One read; 1 when the answer is whole. */
static int receive(stream *s) {
    static char data[READ_BYTES + 1];
    char control[128];
    struct iovec into = {data, READ_BYTES};
    struct msghdr message = {NULL, 0, &into, 1, control, sizeof control, 0};
    ssize_t size = recvmsg(s->fd, &message, 0);
    if (size < 0 && errno == EAGAIN) return 0;
    if (size <= 0) fputs("reader: the server closed a connection\n", stderr), exit(1);
    if (plain) return 1;
    ns now = arrival(&message);
    data[size] = 0;
    for (char *at = data; s->events < MAX_EVENTS && (at = strstr(at, CONTENT)); at++) s->at[s->events++] = now;
    return size >= 5 && !memcmp(data + size - 5, "0\r\n\r\n", 5);
}

static void run(stream *streams, int count, ns ramp, ns duration) {
    static struct epoll_event ready[512];
    ns begin = clock_ns(CLOCK_MONOTONIC);
    int started = 0, running = count;
    while (running) {
        while (started < count && clock_ns(CLOCK_MONOTONIC) >= begin + ramp * started / count)
            start(&streams[started++]);
        int found = epoll_wait(epoll_fd, ready, 512, started < count ? 1 : -1);
        for (int i = 0; i < found; i++) {
            stream *s = ready[i].data.ptr;
            if (!receive(s)) continue;
            write_row(s);
            if (clock_ns(CLOCK_MONOTONIC) < begin + duration) ask(s);
            else close(s->fd), running--;
        }
    }
}

int main(int argc, char **argv) {
    int count = 1, option;
    double duration_s = 1, ramp_s = 0;
    while ((option = getopt(argc, argv, "p:m:c:d:r:no:")) != -1) {
        if (option == 'p') port = atoi(optarg);
        else if (option == 'm') model = optarg;
        else if (option == 'c') count = atoi(optarg);
        else if (option == 'd') duration_s = atof(optarg);
        else if (option == 'r') ramp_s = atof(optarg);
        else if (option == 'n') plain = 1;
        else if (option == 'o') rows = fopen(optarg, "w");
        else return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    realtime_offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    epoll_fd = epoll_create1(0);
    if (rows) fputs("request_id,ttft_s,gap_p50_s,gap_max_s\n", rows);
    run(calloc(count, sizeof(stream)), count, ramp_s * SECOND, duration_s * SECOND);
    if (rows) fclose(rows);
    return 0;
}
