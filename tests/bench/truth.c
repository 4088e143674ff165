/*
 * truth - answers OpenAI chat requests exactly on schedule and knows when it wrote what: for measuring load generators.
 *
 * Build  cc -O2 -o truth truth.c           with TLS  cc -O2 -DTLS -o truth_tls truth.c -lssl -lcrypto
 * Run    ./truth [-o LOG.csv]              with TLS  ./truth_tls -c CERT_AND_KEY.pem [-o LOG.csv]
 *
 * One thread, 127.0.0.1 only. The first line of output is the port, the last one the statistics.
 * It ends on SIGTERM, SIGINT or the death of its parent, and then writes the log.
 *
 * The model's name is the schedule: sim-t200-g20-n50 means 50 content events, the first 200 ms after the request's last
 * byte arrived, then one every 20 ms. With -ts every content is its own write time (CLOCK_MONOTONIC, ns), and the first
 * also the arrival time. Without "stream":true the whole answer comes when the last event would have.
 * Role and first content share a write; so do last content, finish, usage and [DONE]. A write time is taken just before
 * the write (with TLS: before encryption).
 *
 * GET /stats: counts, and how late writes were against the schedule. GET /reset forgets them and the log.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "logbook.h"
#ifdef TLS
#include <openssl/ssl.h>
#endif

#define MS 1000000LL
#define SECOND (1000 * MS)

enum {
    MAX_EVENTS = 4096,   /* per answer */
    TIMERS_A_ROUND = 64, /* then arrivals get their turn, so that they are dated in time */
};

typedef struct {
    ns first, gap;
    int events, stamped;
} plan;

typedef struct {
    char *data; /* always followed by a zero byte */
    size_t used, room;
} buffer;

typedef struct {
    int fd; /* -1: closed, waits in the heap to be freed */
#ifdef TLS
    SSL *ssl;
#endif
    buffer in, out;
    int busy, streaming;
    plan plan;
    ns due;
    entry truth;
    ns gaps[MAX_EVENTS];
} connection;

static int epoll_fd;
static volatile sig_atomic_t stopping;

static ns now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void append(buffer *b, const char *data, size_t size) {
    if (b->used + size + 1 > b->room) b->data = realloc(b->data, b->room = 2 * (b->used + size + 1));
    memcpy(b->data + b->used, data, size);
    b->data[b->used += size] = 0;
}

/* ---- timers: a heap of busy connections by due time, each in it once */

static connection **heap;
static size_t heap_used, heap_room;

static void push(connection *c, ns due) {
    if (heap_used == heap_room) heap = realloc(heap, sizeof *heap * (heap_room = heap_room ? 2 * heap_room : 1024));
    size_t i = heap_used++;
    c->due = due;
    for (; i && heap[(i - 1) / 2]->due > due; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = c;
}

static connection *pop(void) {
    connection *top = heap[0], *last = heap[--heap_used];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < heap_used) {
        child += child + 1 < heap_used && heap[child + 1]->due < heap[child]->due;
        if (heap[child]->due >= last->due) break;
        heap[i] = heap[child], i = child;
    }
    heap[i] = last;
    return top;
}

/* ---- the network, plain or TLS: as recv and send, -1 with EAGAIN when not now */

#ifdef TLS
static SSL_CTX *tls;
static ssize_t verdict(connection *c, int done) {
    if (done > 0) return done;
    int why = SSL_get_error(c->ssl, done);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}
#define net_read(c, data, size) verdict(c, SSL_read((c)->ssl, data, size))
#define net_write(c, data, size) verdict(c, SSL_write((c)->ssl, data, size))
#else
#define net_read(c, data, size) recv((c)->fd, data, size, 0)
#define net_write(c, data, size) send((c)->fd, data, size, MSG_NOSIGNAL)
#endif

static void watch(connection *c, int operation, uint32_t events) {
    epoll_ctl(epoll_fd, operation, c->fd, &(struct epoll_event){.events = events, .data.ptr = c});
}

/* A write that fails for good is ignored: the next read says that the peer is gone. */
static void transmit(connection *c, const char *data, size_t size) {
    ssize_t sent = c->out.used ? 0 : net_write(c, data, size);
    if (sent < 0) sent = 0;
    if ((size_t)sent == size) return;
    append(&c->out, data + sent, size - sent);
    watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void flush_out(connection *c) {
    ssize_t sent = c->out.used ? net_write(c, c->out.data, c->out.used) : 0;
    if (sent > 0) memmove(c->out.data, c->out.data + sent, c->out.used -= sent);
    if (!c->out.used) watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* ---- answers */

static void answer_json(connection *c, const char *body, int size) {
    char out[MAX_EVENTS * 4 + 1024];
    static const char OK[] = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%.*s";
    transmit(c, out, snprintf(out, sizeof out, OK, size, size, body));
}

/* One server-sent event in one HTTP chunk. */
static char *event(char *out, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return out + sprintf(out, "%x\r\ndata: %s\n\n\r\n", size + 8, text);
}

#define HEAD(object) "{\"id\":\"chatcmpl-1\",\"object\":\"" object "\",\"created\":1,\"model\":\"sim\",\"choices\":"
#define CHUNK HEAD("chat.completion.chunk")
#define DELTA(delta, finish) CHUNK "[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}"
#define USAGE "\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":%d,\"total_tokens\":%d}"

static void begin(connection *c, int streaming) {
    static const char OK[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                             "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
    c->busy = 1, c->streaming = streaming;
    logbook.requests++;
    if (++logbook.active > logbook.active_max) logbook.active_max = logbook.active;
    if (streaming) transmit(c, OK, sizeof OK - 1);
    push(c, c->truth.arrival + c->plan.first + (streaming ? 0 : (c->plan.events - 1) * c->plan.gap));
}

static void end(connection *c, int whole) {
    c->busy = 0;
    c->truth.whole = whole;
    logbook.active--;
    logbook.broken += !whole;
    record(c->truth, c->gaps, c->streaming && c->truth.events ? c->truth.events - 1 : 0);
}

static void write_whole(connection *c, ns now) {
    char body[MAX_EVENTS * 4 + 512], *out = body;
    out += sprintf(out, HEAD("chat.completion") "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
    if (c->plan.stamped) out += sprintf(out, " %019ld %019ld", now, c->truth.arrival);
    for (int i = c->plan.stamped; i < c->plan.events; i++) out = stpcpy(out, " tok");
    out += sprintf(out, "\"},\"finish_reason\":\"stop\"}]," USAGE "}", c->plan.events, 16 + c->plan.events);
    c->truth.first = c->truth.last = now, c->truth.events = c->plan.events;
    answer_json(c, body, out - body);
}

static void write_event(connection *c, ns now) {
    entry *truth = &c->truth;
    char text[4096], *out = text, content[64] = " tok";
    if (c->plan.stamped) {
        int used = sprintf(content, " %019ld", now);
        if (!truth->events) sprintf(content + used, " %019ld", truth->arrival);
    }
    if (truth->events) {
        c->gaps[truth->events - 1] = now - truth->last;
    } else {
        truth->first = now;
        out = event(out, DELTA("{\"role\":\"assistant\",\"content\":\"\"}", "null"));
    }
    truth->last = now;
    out = event(out, DELTA("{\"content\":\"%s\"}", "null"), content);
    if (++truth->events == c->plan.events) {
        out = event(out, DELTA("{}", "\"stop\""));
        out = event(out, CHUNK "[]," USAGE "}", truth->events, 16 + truth->events);
        out = stpcpy(event(out, "[DONE]"), "0\r\n\r\n");
    }
    transmit(c, text, out - text);
    logbook.events++;
}

/* ---- requests */

static const char *after(const char *text, const char *mark) {
    const char *found = strcasestr(text, mark);
    if (!found) return NULL;
    found += strlen(mark);
    return found + strspn(found, " :\"");
}

static plan plan_of(const char *body) {
    plan wanted = {.first = 200 * MS, .gap = 20 * MS, .events = 50};
    char name[128] = "";
    const char *model = after(body, "\"model\"");
    if (model) sscanf(model, "%127[^\"]", name);
    for (const char *item = strchr(name, '-'); item; item = strchr(item + 1, '-')) {
        double value = atof(item + 2);
        if (!strncmp(item, "-ts", 3)) wanted.stamped = 1;
        else if (item[1] == 't') wanted.first = value * MS;
        else if (item[1] == 'g') wanted.gap = value * MS;
        else if (item[1] == 'n') wanted.events = value < 1 ? 1 : value > MAX_EVENTS ? MAX_EVENTS : value;
    }
    return wanted;
}

static void respond(connection *c, const char *head, const char *body) {
    static const char MODELS[] = "{\"object\":\"list\",\"data\":[{\"id\":\"sim\",\"object\":\"model\"}]}";
    char text[512];
    if (!strncmp(head, "POST ", 5)) {
        const char *id = after(head, "\r\nx-request-id"), *stream = after(body, "\"stream\"");
        c->truth = (entry){.arrival = now_ns()};
        c->plan = plan_of(body);
        if (id) sscanf(id, "%95[^\r,]", c->truth.id);
        begin(c, stream && !strncmp(stream, "true", 4));
    } else if (!strncmp(head, "GET /stats", 10)) {
        answer_json(c, text, render_statistics(text, sizeof text));
    } else {
        if (!strncmp(head, "GET /reset", 10)) forget();
        answer_json(c, MODELS, sizeof MODELS - 1);
    }
}

/* Take the next whole request from the buffer, if one is there and the last one is answered. */
static void take_request(connection *c) {
    char *cut = c->busy || !c->in.used ? NULL : strstr(c->in.data, "\r\n\r\n");
    if (!cut) return;
    *cut = 0;
    const char *length = after(c->in.data, "\r\ncontent-length");
    size_t size = cut + 4 - c->in.data + (length ? strtoul(length, NULL, 10) : 0);
    if (c->in.used < size) {
        *cut = '\r';
        return;
    }
    char next = c->in.data[size];
    c->in.data[size] = 0;
    respond(c, c->in.data, cut + 4);
    c->in.data[size] = next;
    memmove(c->in.data, c->in.data + size, c->in.used - size + 1);
    c->in.used -= size;
    take_request(c);
}

static void fire(connection *c) {
    if (c->fd < 0) return free(c);
    ns now = now_ns();
    record_write(now - c->due);
    c->streaming ? write_event(c, now) : write_whole(c, now);
    if (c->truth.events < c->plan.events)
        return push(c, c->truth.arrival + c->plan.first + c->truth.events * c->plan.gap);
    end(c, 1);
    take_request(c);
}

/* ---- connections */

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connection *c = calloc(1, sizeof *c);
        c->fd = fd;
#ifdef TLS
        c->ssl = SSL_new(tls);
        SSL_set_fd(c->ssl, fd);
        SSL_set_accept_state(c->ssl);
#endif
        logbook.connections++;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void close_connection(connection *c) {
#ifdef TLS
    SSL_free(c->ssl);
#endif
    close(c->fd);
    free(c->in.data), free(c->out.data);
    c->fd = -1;
    if (c->busy) end(c, 0); /* still in the heap, which frees it */
    else free(c);
}

static void receive(connection *c) {
    char data[65536];
    ssize_t size;
    while ((size = net_read(c, data, sizeof data)) > 0) append(&c->in, data, size);
    if (size < 0 && errno == EAGAIN) take_request(c);
    else close_connection(c);
}

static void run(int listener) {
    static struct epoll_event ready[512];
    while (!stopping) {
        for (int i = 0; i < TIMERS_A_ROUND && heap_used && heap[0]->due <= now_ns(); i++) fire(pop());
        ns wait = heap_used ? heap[0]->due - now_ns() : SECOND;
        struct timespec timeout = {wait > 0 ? wait / SECOND : 0, wait > 0 ? wait % SECOND : 0};
        int count = epoll_pwait2(epoll_fd, ready, 512, &timeout, NULL);
        for (int i = 0; i < count; i++) {
            connection *c = ready[i].data.ptr;
            if (!c) accept_all(listener);
            else if (ready[i].events == EPOLLOUT) flush_out(c);
            else receive(c);
        }
    }
}

static int listen_anywhere(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096) || getsockname(fd, (void *)&at, &size)) {
        perror("truth: listen");
        exit(1);
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

#ifdef TLS
static void load_certificate(const char *path) {
    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int good = SSL_CTX_use_certificate_chain_file(tls, path) == 1;
    if (good && SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM) == 1) return;
    fprintf(stderr, "truth: %s: not a certificate and its key; write both as PEM into one file\n", path);
    exit(1);
}
#endif

static void stop(int number) { stopping = number; }

int main(int argc, char **argv) {
    int option;
    const char *log_path = NULL, *certificate = "";
    while ((option = getopt(argc, argv, "o:c:")) != -1) {
        if (option == 'o') log_path = optarg;
        else if (option == 'c') certificate = optarg;
        else return 2;
    }
#ifdef TLS
    load_certificate(certificate);
#else
    (void)certificate;
#endif
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    epoll_fd = epoll_create1(0);
    int listener = listen_anywhere();
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.ptr = NULL});
    run(listener);
    if (log_path) write_log(log_path);
    char text[512];
    render_statistics(text, sizeof text);
    fputs(text, stdout);
    return 0;
}
