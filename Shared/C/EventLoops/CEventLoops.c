#define _GNU_SOURCE
#include "CEventLoops.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/uio.h>

_Thread_local void *loop_thread_local;

static int result(int r) { return r < 0 ? -errno : r; }

int loop_epoll_create(void) { return result(epoll_create1(EPOLL_CLOEXEC)); }
int loop_eventfd_create(void) { return result(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

int loop_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t tag) {
    struct epoll_event e = {.events = events, .data.u64 = tag};
    return result(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &e));
}
int loop_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t tag) {
    struct epoll_event e = {.events = events, .data.u64 = tag};
    return result(epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &e));
}
int loop_epoll_remove(int epoll, int descriptor) {
    struct epoll_event e = {0};
    return result(epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &e));
}
void loop_eventfd_signal(int descriptor) {
    uint64_t one = 1;
    ssize_t n;
    do n = write(descriptor, &one, sizeof one);
    while (n < 0 && errno == EINTR);
}

static socklen_t to_sockaddr(const loop_address *a, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    if (a->is_ipv6) {
        struct sockaddr_in6 *s = (struct sockaddr_in6 *)out;
        s->sin6_family = AF_INET6;
        s->sin6_port = htons(a->port);
        s->sin6_scope_id = a->scope;
        memcpy(&s->sin6_addr, a->bytes, 16);
        return sizeof *s;
    }
    struct sockaddr_in *s = (struct sockaddr_in *)out;
    s->sin_family = AF_INET;
    s->sin_port = htons(a->port);
    memcpy(&s->sin_addr, a->bytes, 4);
    return sizeof *s;
}
static int from_sockaddr(const struct sockaddr *in, loop_address *a) {
    memset(a, 0, sizeof *a);
    if (in->sa_family == AF_INET6) {
        const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)in;
        a->port = ntohs(s->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&s->sin6_addr)) { // a dual-stack listener: say what it is
            memcpy(a->bytes, s->sin6_addr.s6_addr + 12, 4);
            return 1;
        }
        a->is_ipv6 = 1;
        a->scope = s->sin6_scope_id;
        memcpy(a->bytes, &s->sin6_addr, 16);
        return 1;
    }
    if (in->sa_family == AF_INET) {
        const struct sockaddr_in *s = (const struct sockaddr_in *)in;
        a->port = ntohs(s->sin_port);
        memcpy(a->bytes, &s->sin_addr, 4);
        return 1;
    }
    return 0;
}
static int tcp_socket(const loop_address *address) {
    int fd = socket(address->is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}
static int fail_closing(int fd) {
    int e = errno;
    close(fd);
    return -e;
}

int loop_listen(const loop_address *address, int reuse_port, int backlog) {
    int fd = tcp_socket(address);
    if (fd < 0) return fd;
    int one = 1, zero = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->is_ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one)) return fail_closing(fd);
    struct sockaddr_storage a;
    socklen_t count = to_sockaddr(address, &a);
    if (bind(fd, (struct sockaddr *)&a, count) || listen(fd, backlog)) return fail_closing(fd);
    return fd;
}
int loop_accept(int listener, loop_address *peer) {
    struct sockaddr_storage a = {0};
    socklen_t count = sizeof a;
    int fd = accept4(listener, (struct sockaddr *)&a, &count, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return -errno;
    from_sockaddr((struct sockaddr *)&a, peer);
    return fd;
}
int loop_connect(const loop_address *address, int *pending) {
    int fd = tcp_socket(address);
    if (fd < 0) return fd;
    struct sockaddr_storage a;
    socklen_t count = to_sockaddr(address, &a);
    *pending = 0;
    if (connect(fd, (struct sockaddr *)&a, count)) {
        if (errno != EINPROGRESS && errno != EINTR) return fail_closing(fd);
        *pending = 1;
    }
    return fd;
}
int loop_local_address(int descriptor, loop_address *address) {
    struct sockaddr_storage a = {0};
    socklen_t count = sizeof a;
    if (getsockname(descriptor, (struct sockaddr *)&a, &count)) return -errno;
    return from_sockaddr((struct sockaddr *)&a, address) ? 0 : -EAFNOSUPPORT;
}
int loop_socket_error(int descriptor) {
    int error = 0;
    socklen_t count = sizeof error;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &count)) return errno;
    return error;
}
int loop_shutdown_write(int descriptor) { return result(shutdown(descriptor, SHUT_WR)); }
int loop_set_socket_buffers(int descriptor, int send_bytes, int receive_bytes) {
    int failed = 0;
    if (send_bytes > 0)
        failed |= setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    if (receive_bytes > 0)
        failed |= setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    return failed ? -errno : 0;
}
ssize_t loop_send(
    int descriptor, const void *first, size_t first_count, const void *second, size_t second_count) {
    ssize_t n;
    if (first_count && second_count) {
        struct iovec spans[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
        struct msghdr message = {.msg_iov = spans, .msg_iovlen = 2};
        n = sendmsg(descriptor, &message, MSG_NOSIGNAL);
    } else if (first_count) {
        n = send(descriptor, first, first_count, MSG_NOSIGNAL);
    } else {
        n = send(descriptor, second, second_count, MSG_NOSIGNAL);
    }
    return n < 0 ? -errno : n;
}

void loop_address_text(const uint8_t *bytes, int is_ipv6, char *text) {
    inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes, text, INET6_ADDRSTRLEN);
}
int loop_address_parse(const char *text, int is_ipv6, uint8_t *bytes) {
    return inet_pton(is_ipv6 ? AF_INET6 : AF_INET, text, bytes) == 1;
}
int loop_resolve(const char *host, loop_address *addresses, int capacity) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int r = getaddrinfo(host, NULL, &hints, &list);
    if (r) return r < 0 ? r : -r;
    int n = 0;
    for (struct addrinfo *i = list; i && n < capacity; i = i->ai_next)
        if (from_sockaddr(i->ai_addr, &addresses[n])) n++;
    freeaddrinfo(list);
    return n;
}

void loop_begin_write_back(int descriptor, int64_t offset, int64_t length) {
    sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
}

void loop_thread_set_name(const char *name) {
    char short_name[16] = {0}; // the kernel's limit, terminator included
    strncpy(short_name, name, sizeof short_name - 1);
    pthread_setname_np(pthread_self(), short_name);
}
int loop_thread_pin(int index) {
    cpu_set_t allowed, set;
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return -errno;
    int left = index % (CPU_COUNT(&allowed) ? CPU_COUNT(&allowed) : 1), processor = 0;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &allowed)) continue;
        processor = i;
        if (left-- == 0) break;
    }
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return -pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}
void loop_thread_give_way(int niceness) {
    // On Linux a process of 0 is the calling thread.
    setpriority(PRIO_PROCESS, 0, niceness);
}
int loop_processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}
const char *loop_error_text(int error_number, char *buffer, size_t capacity) {
    return strerror_r(error_number, buffer, capacity);
}

struct loop_semaphore {
    sem_t value;
};
loop_semaphore *loop_semaphore_create(void) {
    loop_semaphore *s = malloc(sizeof *s);
    if (s) sem_init(&s->value, 0, 0);
    return s;
}
void loop_semaphore_destroy(loop_semaphore *semaphore) {
    sem_destroy(&semaphore->value);
    free(semaphore);
}
void loop_semaphore_post(loop_semaphore *semaphore) { sem_post(&semaphore->value); }
void loop_semaphore_wait(loop_semaphore *semaphore) {
    while (sem_wait(&semaphore->value) && errno == EINTR) {}
}
