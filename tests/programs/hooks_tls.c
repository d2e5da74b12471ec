/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenSSL and GnuTLS without a connection: every function is reached and answers as ever. What is understood of what is
 * said inside is tested with real peers (tests/e2e/wire). The libraries are looked for at run time, as a plug-in of a
 * program finds them; expected: see hook_case.h.
 */
#include "hook_case.h"

#include <dlfcn.h>
#include <sys/types.h>

/* The hook, as a caller is bound to it; the library must be there first. */
static void *function(const char *library, const char *name)
{
    if (!dlopen(library, RTLD_NOW | RTLD_GLOBAL))
        abort();
    void *found = dlsym(RTLD_DEFAULT, name);
    if (!found)
        abort();
    return found;
}

#define SSL_FUNCTION(name) ((__typeof__(&name))function("libssl.so.3", #name))
#define GNUTLS_FUNCTION(name) ((__typeof__(&name))function("libgnutls.so.30", #name))

extern const void *TLS_method(void);
extern void *SSL_CTX_new(const void *method);
extern void *SSL_new(void *context);
extern int SSL_read(void *ssl, void *buffer, int size);
extern int SSL_read_ex(void *ssl, void *buffer, size_t size, size_t *done);
extern int SSL_write(void *ssl, const void *buffer, int size);
extern int SSL_write_ex(void *ssl, const void *buffer, size_t size, size_t *done);
extern ssize_t SSL_sendfile(void *ssl, int fd, off_t offset, size_t size, int flags);
extern void SSL_free(void *ssl);
extern int SSL_clear(void *ssl);
extern int gnutls_init(void **session, unsigned flags);
extern ssize_t gnutls_record_recv(void *session, void *buffer, size_t size);
extern ssize_t gnutls_record_send(void *session, const void *buffer, size_t size);
extern ssize_t gnutls_record_send2(void *session, const void *buffer, size_t size, size_t pad, unsigned flags);
extern ssize_t gnutls_record_send_file(void *session, int fd, off_t *offset, size_t size);
extern void gnutls_deinit(void *session);

static void *ssl_new(void)
{
    return SSL_FUNCTION(SSL_new)(SSL_FUNCTION(SSL_CTX_new)(SSL_FUNCTION(TLS_method)()));
}

/* OpenSSL reads its configuration when it is first used: that is no case's. */
__attribute__((constructor)) static void ssl_begin(void)
{
    SSL_FUNCTION(SSL_free)(ssl_new());
}

static void *gnutls_new(void)
{
    void *session = NULL;
    if (GNUTLS_FUNCTION(gnutls_init)(&session, 2 /* GNUTLS_CLIENT */) < 0)
        abort();
    return session;
}

/* show() adds errno to negative results, which means nothing here. */
static void show_plain(const char *what, long result)
{
    printf("  %s = %ld\n", what, result);
}

static char buffer[16];
static size_t done;

CASE(SSL_read, "")
{
    show_plain("SSL_read", SSL_FUNCTION(SSL_read)(ssl_new(), buffer, sizeof(buffer)));
}

CASE(SSL_read_ex, "")
{
    show_plain("SSL_read_ex", SSL_FUNCTION(SSL_read_ex)(ssl_new(), buffer, sizeof(buffer), &done));
}

CASE(SSL_write, "")
{
    show_plain("SSL_write", SSL_FUNCTION(SSL_write)(ssl_new(), buffer, sizeof(buffer)));
}

CASE(SSL_write_ex, "")
{
    show_plain("SSL_write_ex", SSL_FUNCTION(SSL_write_ex)(ssl_new(), buffer, sizeof(buffer), &done));
}

CASE(SSL_sendfile, "")
{
    show_plain("SSL_sendfile", SSL_FUNCTION(SSL_sendfile)(ssl_new(), 0, 0, sizeof(buffer), 0));
}

CASE(SSL_free, "")
{
    SSL_FUNCTION(SSL_free)(ssl_new());
    SSL_FUNCTION(SSL_free)(NULL);
}

CASE(SSL_clear, "")
{
    show_plain("SSL_clear", SSL_FUNCTION(SSL_clear)(ssl_new()));
}

CASE(gnutls_record_recv, "")
{
    show_plain("gnutls_record_recv", GNUTLS_FUNCTION(gnutls_record_recv)(gnutls_new(), buffer, sizeof(buffer)));
}

CASE(gnutls_record_send, "")
{
    show_plain("gnutls_record_send", GNUTLS_FUNCTION(gnutls_record_send)(gnutls_new(), buffer, sizeof(buffer)));
}

CASE(gnutls_record_send2, "")
{
    show_plain("gnutls_record_send2", GNUTLS_FUNCTION(gnutls_record_send2)(gnutls_new(), buffer, sizeof(buffer), 0, 0));
}

CASE(gnutls_record_send_file, "")
{
    off_t offset = 0;
    show_plain("gnutls_record_send_file",
               GNUTLS_FUNCTION(gnutls_record_send_file)(gnutls_new(), -1, &offset, sizeof(buffer)));
}

CASE(gnutls_deinit, "")
{
    GNUTLS_FUNCTION(gnutls_deinit)(gnutls_new());
}
