#pragma once
// Linux calls that Swift cannot spell: function-like macros, GNU extensions, thread-locals, sockaddr
// juggling. Calls that can fail return a negated errno, so that no second call is needed to learn why.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// ---- the loop of the calling thread
extern _Thread_local void *loop_thread_local;
static inline void *loop_current(void) { return loop_thread_local; }
static inline void loop_set_current(void *loop) { loop_thread_local = loop; }

// ---- clocks
static inline int64_t loop_monotonic_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline int64_t loop_wall_microseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// ---- epoll and eventfd
static const uint32_t LOOP_READ = EPOLLIN, LOOP_WRITE = EPOLLOUT, LOOP_PEER_SHUTDOWN = EPOLLRDHUP;
static const uint32_t LOOP_HANG_UP = EPOLLHUP, LOOP_ERROR = EPOLLERR, LOOP_EDGE = 1u << 31;
int loop_epoll_create(void);
int loop_eventfd_create(void);
int loop_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t tag);
int loop_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t tag);
int loop_epoll_remove(int epoll, int descriptor);
static inline int loop_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds) {
    return epoll_wait(epoll, events, capacity, milliseconds);
}
static inline uint32_t loop_event_bits(const struct epoll_event *event) { return event->events; }
static inline uint64_t loop_event_tag(const struct epoll_event *event) { return event->data.u64; }
void loop_eventfd_signal(int descriptor);

// ---- sockets
/// An address as the kernel writes it, without unions: 4 or 16 bytes in network order, port in host order.
typedef struct loop_address {
    uint8_t bytes[16];
    uint32_t scope;
    uint16_t port;
    uint8_t is_ipv6;
} loop_address;

/// A listening, non-blocking, close-on-exec TCP socket with TCP_NODELAY (inherited by accepted sockets).
int loop_listen(const loop_address *address, int reuse_port, int backlog);
/// An accepted non-blocking socket; `peer` is filled in.
int loop_accept(int listener, loop_address *peer);
/// Starts a connect; `*pending` says whether it is still under way. A non-blocking socket with TCP_NODELAY.
int loop_connect(const loop_address *address, int *pending);
int loop_local_address(int descriptor, loop_address *address);
/// Takes the pending error of a socket (0: none), as after a non-blocking connect.
int loop_socket_error(int descriptor);
int loop_shutdown_write(int descriptor);
int loop_set_socket_buffers(int descriptor, int send_bytes, int receive_bytes);

static inline ssize_t loop_receive(int descriptor, void *into, size_t capacity) {
    ssize_t n = recv(descriptor, into, capacity, 0);
    return n < 0 ? -errno : n;
}
/// Sends two spans with one call and without SIGPIPE; either may be empty.
ssize_t loop_send(
    int descriptor, const void *first, size_t first_count, const void *second, size_t second_count);

// ---- names
/// Text of 4 or 16 address bytes (RFC 5952); `text` has room for 46 bytes.
void loop_address_text(const uint8_t *bytes, int is_ipv6, char *text);
/// Parses dotted-quad or RFC 4291 text strictly; 0 when it is neither.
int loop_address_parse(const char *text, int is_ipv6, uint8_t *bytes);
/// Blocking name lookup (TCP). Returns the number of addresses (at most `capacity`) or a negative EAI_ code.
int loop_resolve(const char *host, loop_address *addresses, int capacity);

// ---- files
/// Has the kernel begin to write this range of a file to the disk, without waiting for it. A hint: it says
/// nothing of failures.
void loop_begin_write_back(int descriptor, int64_t offset, int64_t length);

// ---- threads
void loop_thread_set_name(const char *name);
/// Binds the calling thread to the index-th processor the process may use (round and round); 0 or a negated
/// errno.
int loop_thread_pin(int index);
/// Lets the calling thread give way to others: 0 as usual to 19 most of all.
void loop_thread_give_way(int niceness);
int loop_processor_count(void);
const char *loop_error_text(int error_number, char *buffer, size_t capacity);

/// A counting semaphore on futexes; `loop_semaphore_wait` blocks the thread, never call it on a loop.
typedef struct loop_semaphore loop_semaphore;
loop_semaphore *loop_semaphore_create(void);
void loop_semaphore_destroy(loop_semaphore *semaphore);
void loop_semaphore_post(loop_semaphore *semaphore);
void loop_semaphore_wait(loop_semaphore *semaphore);
