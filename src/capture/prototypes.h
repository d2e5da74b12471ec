/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The headers that declare what hooks.def interposes, without the macros and inline wrappers that would rename or
 * shortcut them, and prototypes of what glibc exports but does not declare (fortified twins).
 */
#ifndef CPROBE_CAPTURE_PROTOTYPES_H
#define CPROBE_CAPTURE_PROTOTYPES_H

#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* Of OpenSSL and GnuTLS, whose headers need not be there. */
typedef struct ssl_st SSL;
typedef struct gnutls_session_int *gnutls_session_t;
int SSL_read(SSL *ssl, void *buffer, int size);
int SSL_read_ex(SSL *ssl, void *buffer, size_t size, size_t *done);
int SSL_write(SSL *ssl, const void *buffer, int size);
int SSL_write_ex(SSL *ssl, const void *buffer, size_t size, size_t *done);
ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t size, int flags);
void SSL_free(SSL *ssl);
int SSL_clear(SSL *ssl);
ssize_t gnutls_record_recv(gnutls_session_t session, void *buffer, size_t size);
ssize_t gnutls_record_send(gnutls_session_t session, const void *buffer, size_t size);
ssize_t gnutls_record_send2(gnutls_session_t session, const void *buffer, size_t size, size_t pad, unsigned flags);
ssize_t gnutls_record_send_file(gnutls_session_t session, int fd, off_t *offset, size_t size);
void gnutls_deinit(gnutls_session_t session);

/* Declared by glibc only for its own fortified inlines. */
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t object, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t object, int flags, struct sockaddr *address,
                       socklen_t *length);
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t object);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t object);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t object);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t object);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t object);
size_t __fread_chk(void *buffer, size_t object, size_t size, size_t count, FILE *stream);
char *__fgets_chk(char *buffer, size_t object, int size, FILE *stream);
__sighandler_t __sysv_signal(int signal, __sighandler_t action);
__sighandler_t bsd_signal(int signal, __sighandler_t action);
void __longjmp_chk(struct __jmp_buf_tag target[1], int value) __attribute__((noreturn));
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

#endif
