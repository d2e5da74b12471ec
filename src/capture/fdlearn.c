/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/fdlearn.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "capture/endpoint.h"
#include "capture/fdtable.h"
#include "capture/put.h"
#include "capture/recorder.h"

long fd_readlink(int fd, char *out, size_t size)
{
    char link[40];
    put_unsigned(put_text(link, "/proc/self/fd/"), (uint32_t)fd, 10);
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

enum endpoint_kind fd_kind(int fd, mode_t mode)
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

/* ---- which side of a connection this is -------------------------------------------------------------------------- */

/* Ports that the kernel gives to clients: /proc/sys/net/ipv4/ip_local_port_range as Linux sets it. */
#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_LAST 60999

enum side { SIDE_NONE, SIDE_CLIENT, SIDE_SERVER };

static bool is_ephemeral(const struct sockaddr_storage *address)
{
    in_port_t port = address->ss_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port
                                                   : ((const struct sockaddr_in6 *)address)->sin6_port;
    return ntohs(port) >= EPHEMERAL_FIRST && ntohs(port) <= EPHEMERAL_LAST;
}

static int socket_option(int fd, int option)
{
    int value = 0;
    socklen_t size = sizeof(value);
    SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &size, 0);
    return value;
}

/* Servers have a port of their own choice, clients the kernel's; a unix server's socket has a name. Where both ports
   might be the kernel's: an accepted socket has its listener's SO_REUSEADDR, which servers set and clients do not. */
static enum side side_of(int fd, const struct sockaddr_storage *local, socklen_t local_length,
                         const struct sockaddr_storage *peer, socklen_t peer_length)
{
    if (local->ss_family == AF_UNIX) {
        bool named = local_length > sizeof(sa_family_t), peer_named = peer_length > sizeof(sa_family_t);
        return peer_named ? SIDE_CLIENT : named ? SIDE_SERVER : SIDE_NONE;
    }
    if (local->ss_family != AF_INET && local->ss_family != AF_INET6)
        return SIDE_NONE;
    if (is_ephemeral(local) != is_ephemeral(peer))
        return is_ephemeral(local) ? SIDE_CLIENT : SIDE_SERVER;
    return socket_option(fd, SO_REUSEADDR) ? SIDE_SERVER : SIDE_CLIENT;
}

uint16_t fd_socket_flags(int fd, uint32_t *endpoint)
{
    struct sockaddr_storage local, peer;
    socklen_t local_length = sizeof(local), peer_length = sizeof(peer);
    uint16_t flags = socket_option(fd, SO_RCVLOWAT) > 1 ? FD_LOWAT : 0;
    if (socket_option(fd, SO_TYPE) != SOCK_STREAM || SYS_CALL(SYS_getpeername, fd, &peer, &peer_length, 0, 0, 0) != 0 ||
        SYS_CALL(SYS_getsockname, fd, &local, &local_length, 0, 0, 0) != 0)
        return flags;
    enum side side = side_of(fd, &local, local_length, &peer, peer_length);
    if (side == SIDE_SERVER) {
        *endpoint = endpoint_address(ROLE_SERVER, (struct sockaddr *)&local, local_length);
        flags |= FD_SERVER | FD_NAMED;
    }
    return (uint16_t)(flags | (side != SIDE_NONE && recorder.settings.wire ? FD_TALKS : 0));
}
