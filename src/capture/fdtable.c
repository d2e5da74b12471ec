/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/fdtable.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "capture/endpoint.h"
#include "capture/recorder.h"

#define TABLE_MAX (1u << 20)

struct fd_entry *fd_table;
uint32_t fd_table_size;

void fdtable_init(void)
{
    struct rlimit limit = {1024, 1024};
    SYS_CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit, 0, 0);
    uint64_t size = limit.rlim_max < TABLE_MAX ? limit.rlim_max : TABLE_MAX;
    void *table = sys_mmap(NULL, size * sizeof(struct fd_entry), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (sys_is_error(table))
        return;
    fd_table = table;
    fd_table_size = (uint32_t)size;
}

static uint32_t new_description(void)
{
    return add_relaxed(&recorder.unique, 1) + 1;
}

static void entry_set(struct fd_entry *e, enum endpoint_kind kind, uint16_t flags, uint32_t endpoint)
{
    store_relaxed(&e->flags, 0);
    e->kind = (uint16_t)kind;
    e->description = new_description();
    e->server = 0;
    e->epoll = -1;
    e->watched = 0;
    store_relaxed(&e->endpoint, endpoint);
    store_release(&e->flags, (uint16_t)(FD_KNOWN | flags));
}

/* Kinds without a name of their own share one endpoint. Sockets and files get theirs when it is needed. */
static uint32_t kind_endpoint(enum endpoint_kind kind)
{
    return kind == ENDPOINT_SOCKET ? 0 : endpoint_intern(kind, ROLE_NONE, "", 0, 0);
}

/* readlink of /proc/self/fd/FD */
static long fd_readlink(int fd, char *out, size_t size)
{
    char link[32] = "/proc/self/fd/", digits[12];
    size_t n = 14, d = 0;
    for (uint32_t v = (uint32_t)fd; v || d == 0; v /= 10)
        digits[d++] = (char)('0' + v % 10);
    while (d)
        link[n++] = digits[--d];
    link[n] = '\0';
    return sys_readlink(link, out, size);
}

static enum endpoint_kind kind_of_anonymous(int fd)
{
    static const struct {
        const char *text;
        enum endpoint_kind kind;
    } kinds[] = {
        {"anon_inode:[eventfd]", ENDPOINT_EVENTFD},
        {"anon_inode:[timerfd]", ENDPOINT_TIMERFD},
        {"anon_inode:[eventpoll]", ENDPOINT_WAITSET},
    };
    char target[64];
    long length = fd_readlink(fd, target, sizeof(target) - 1);
    target[length > 0 ? length : 0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strncmp(target, kinds[i].text, strlen(kinds[i].text)) == 0)
            return kinds[i].kind;
    return ENDPOINT_OTHER;
}

static enum endpoint_kind kind_of(int fd, mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFSOCK:
        return ENDPOINT_SOCKET;
    case S_IFREG:
    case S_IFBLK:
        return ENDPOINT_FILE;
    case S_IFIFO:
        return ENDPOINT_PIPE;
    case S_IFCHR:
        return ENDPOINT_TTY;
    default:
        return kind_of_anonymous(fd);
    }
}

static bool has_lowat(int fd)
{
    int value = 1;
    socklen_t size = sizeof(value);
    return SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, &value, &size, 0) == 0 && value > 1;
}

void fd_learn(int fd)
{
    struct fd_entry *e = fd_entry_at(fd);
    struct stat st;
    if (!e || !recorder_on())
        return;
    long flags = SYS_CALL(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
    if (flags < 0 || SYS_CALL(SYS_fstat, fd, &st, 0, 0, 0, 0) < 0)
        return; /* not open: the program's call will say so */
    enum endpoint_kind kind = kind_of(fd, st.st_mode);
    entry_set(
        e, kind,
        (uint16_t)((flags & O_NONBLOCK ? FD_NONBLOCK : 0) | (kind == ENDPOINT_SOCKET && has_lowat(fd) ? FD_LOWAT : 0)),
        kind_endpoint(kind));
}

void fd_set_lowat(int fd)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (e)
        e->flags |= FD_LOWAT;
}

bool fd_tries(int fd)
{
    const struct fd_entry *e = fd_entry_at(fd);
    return e && !(load_relaxed(&e->flags) & FD_LOWAT);
}

void fd_opened(int fd, enum endpoint_kind kind, bool nonblock)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (e)
        entry_set(e, kind, nonblock ? FD_NONBLOCK : 0, kind_endpoint(kind));
}

void fd_forget(int fd)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (e)
        store_relaxed(&e->flags, 0);
}

/* Takes `fd` off the count of the epoll set that watches it: the kernel does so itself at close. */
static void unwatch(struct fd_entry *e)
{
    struct fd_entry *set = e->epoll >= 0 ? fd_entry_at(e->epoll) : NULL;
    if (set && set->kind == ENDPOINT_WAITSET && set->watched)
        set->watched--;
    e->epoll = -1;
}

void fd_closed(int fd)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (!e || !(load_relaxed(&e->flags) & FD_KNOWN))
        return;
    unwatch(e);
    store_relaxed(&e->flags, 0);
}

void fd_closed_range(uint32_t first, uint32_t last)
{
    for (uint32_t fd = first; fd <= last && fd < fd_table_size; fd++) {
        if ((fd & 0xfff) == 0 && fd > 4096 && last == UINT32_MAX && fd > first + 65536)
            return; /* never touch the whole reserved table; entries this high are learned anew */
        fd_closed((int)fd);
    }
}

void fd_duplicated(int from, int to)
{
    struct fd_entry *a = from < 0 ? NULL : fd_entry_at(from);
    struct fd_entry *b = to < 0 ? NULL : fd_entry_at(to);
    if (!b || from == to)
        return;
    if (!a || !(load_relaxed(&a->flags) & FD_KNOWN)) {
        store_relaxed(&b->flags, 0);
        return;
    }
    a->flags |= FD_SHARED;
    *b = *a;
    b->epoll = -1;
}

void fd_set_nonblock(int fd, bool nonblock)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (!e || !(load_relaxed(&e->flags) & FD_KNOWN))
        return;
    uint32_t last = e->flags & FD_SHARED ? (fd_table_size < 65536 ? fd_table_size : 65536) : 0;
    uint32_t description = e->description;
    e->flags = (uint16_t)(nonblock ? e->flags | FD_NONBLOCK : e->flags & ~FD_NONBLOCK);
    for (uint32_t i = 0; i < last; i++) /* rare: a dup'ed descriptor changes mode */
        if ((fd_table[i].flags & FD_KNOWN) && fd_table[i].description == description)
            fd_table[i].flags =
                (uint16_t)(nonblock ? fd_table[i].flags | FD_NONBLOCK : fd_table[i].flags & ~FD_NONBLOCK);
}

void fd_accepted(int fd, int listener, bool nonblock)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    struct fd_entry *l = fd_entry_at(listener);
    if (!e || !l)
        return;
    if (!l->server) {
        struct sockaddr_storage local;
        socklen_t length = sizeof(local);
        if (SYS_CALL(SYS_getsockname, fd, &local, &length, 0, 0, 0) == 0)
            l->server = endpoint_address(ROLE_SERVER, (struct sockaddr *)&local, length);
    }
    entry_set(e, ENDPOINT_SOCKET, FD_SERVER | FD_NAMED | (nonblock ? FD_NONBLOCK : 0), l->server);
}

void fd_watch(int epoll, int fd, bool add)
{
    struct fd_entry *set = fd_entry_at(epoll), *e = fd_entry_at(fd);
    if (!set)
        return;
    if (!(load_relaxed(&set->flags) & FD_KNOWN))
        fd_learn(epoll);
    if (add)
        set->watched++;
    else if (set->watched)
        set->watched--;
    if (e) {
        if (!(load_relaxed(&e->flags) & FD_KNOWN))
            fd_learn(fd);
        e->epoll = add ? epoll : -1;
    }
}

uint32_t fd_watched(int epoll)
{
    const struct fd_entry *e = fd_entry_at(epoll);
    return e ? load_relaxed(&e->watched) : 0;
}

/* The peer of a socket, or the address that it listens on. */
static uint32_t socket_endpoint(int fd, struct fd_entry *e)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int listening = 0;
    socklen_t size = sizeof(listening);
    uint32_t endpoint = 0;
    if (SYS_CALL(SYS_getpeername, fd, &address, &length, 0, 0, 0) == 0) {
        endpoint = endpoint_address(ROLE_CLIENT, (struct sockaddr *)&address, length);
        e->flags |= FD_NAMED;
    } else if (SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size, 0) == 0 && listening) {
        length = sizeof(address);
        if (SYS_CALL(SYS_getsockname, fd, &address, &length, 0, 0, 0) == 0)
            endpoint = endpoint_address(ROLE_LISTENER, (struct sockaddr *)&address, length);
        e->flags |= FD_NAMED;
    }
    return endpoint ? endpoint : endpoint_intern(ENDPOINT_SOCKET, ROLE_NONE, "", 0, 0);
}

static uint32_t file_endpoint(int fd)
{
    char path[ENDPOINT_TEXT_MAX];
    long length = fd_readlink(fd, path, sizeof(path));
    return length > 0 ? endpoint_intern(ENDPOINT_FILE, ROLE_NONE, path, (size_t)length, 0) : 0;
}

uint32_t fd_endpoint(int fd, bool exact)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (!e)
        return 0;
    if (!(load_relaxed(&e->flags) & FD_KNOWN))
        fd_learn(fd);
    bool named = e->flags & FD_NAMED;
    if (e->kind == ENDPOINT_SOCKET && !named && (!e->endpoint || exact))
        store_relaxed(&e->endpoint, socket_endpoint(fd, e));
    else if (e->kind == ENDPOINT_FILE && exact && !named) {
        uint32_t id = file_endpoint(fd);
        if (id) {
            store_relaxed(&e->endpoint, id);
            e->flags |= FD_NAMED;
        }
    }
    return load_relaxed(&e->endpoint);
}

void fd_connected(int fd, uint32_t endpoint)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (!e || !endpoint)
        return;
    store_relaxed(&e->endpoint, endpoint);
    e->flags |= FD_NAMED;
}

void fd_unnamed(int fd)
{
    struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    if (!e)
        return;
    e->flags = (uint16_t)(e->flags & ~FD_NAMED);
    store_relaxed(&e->endpoint, 0);
}

uint16_t fd_wait_flags(int fd)
{
    const struct fd_entry *e = fd < 0 ? NULL : fd_entry_at(fd);
    return e && (e->flags & FD_SERVER) ? WAIT_SERVER_SIDE : 0;
}
