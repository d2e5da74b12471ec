/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs read and write inside TLS: OpenSSL 1.1 and 3 (man 3 SSL_read, SSL_write) and GnuTLS 3 (gnutls.h).
 * Waits are those of the sockets beneath; here is only what is said.
 */
#include "capture/elf.h"
#include "capture/hook.h"
#include "capture/libraries.h"
#include "capture/tls.h"

/* The real function, and the library that it is from as `call`. */
#define LIBRARY(name)                                                                  \
    struct library_call call = library_call(REAL_INDEX_##name, #name, RETURN_ADDRESS); \
    __typeof__(real_table.name) real = (__typeof__(real_table.name))call.function

/* ---- OpenSSL ---- */

static int openssl_descriptor(const struct link_map *library, void *session, bool sent)
{
    int (*get)(const void *) = (int (*)(const void *))elf_symbol(library, sent ? "SSL_get_wfd" : "SSL_get_rfd");
    return get ? get(session) : -1;
}

static bool openssl_random(const struct link_map *library, void *session, uint8_t out[TLS_RANDOM_SIZE])
{
    size_t (*get)(const void *, uint8_t *, size_t) =
        (size_t(*)(const void *, uint8_t *, size_t))elf_symbol(library, "SSL_get_client_random");
    return get && get(session, out, TLS_RANDOM_SIZE) == TLS_RANDOM_SIZE;
}

static const struct tls_library openssl = {openssl_descriptor, openssl_random};

EXPORT int SSL_read(SSL *ssl, void *buffer, int size)
{
    LIBRARY(SSL_read);
    int result = real ? real(ssl, buffer, size) : -1;
    if (result > 0)
        tls_moved(ssl, &openssl, call.library, false, buffer, (size_t)result);
    return result;
}

EXPORT int SSL_read_ex(SSL *ssl, void *buffer, size_t size, size_t *done)
{
    LIBRARY(SSL_read_ex);
    int result = real ? real(ssl, buffer, size, done) : 0;
    if (result > 0)
        tls_moved(ssl, &openssl, call.library, false, buffer, *done);
    return result;
}

EXPORT int SSL_write(SSL *ssl, const void *buffer, int size)
{
    LIBRARY(SSL_write);
    int result = real ? real(ssl, buffer, size) : -1;
    if (result > 0)
        tls_moved(ssl, &openssl, call.library, true, buffer, (size_t)result);
    return result;
}

EXPORT int SSL_write_ex(SSL *ssl, const void *buffer, size_t size, size_t *done)
{
    LIBRARY(SSL_write_ex);
    int result = real ? real(ssl, buffer, size, done) : 0;
    if (result > 0)
        tls_moved(ssl, &openssl, call.library, true, buffer, *done);
    return result;
}

/* 3.0, over kernel TLS: from a file, unseen. */
EXPORT ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t size, int flags)
{
    LIBRARY(SSL_sendfile);
    ssize_t result = real ? real(ssl, fd, offset, size, flags) : -1;
    if (result > 0)
        tls_unseen(ssl, true, (uint64_t)result);
    return result;
}

EXPORT void SSL_free(SSL *ssl)
{
    LIBRARY(SSL_free);
    tls_freed(ssl);
    if (real)
        real(ssl);
}

/* It may become another session (man 3 SSL_clear). */
EXPORT int SSL_clear(SSL *ssl)
{
    LIBRARY(SSL_clear);
    tls_freed(ssl);
    return real ? real(ssl) : 0;
}

/* ---- GnuTLS ---- */

/* Programs that move the bytes themselves give a pointer in place of a descriptor: no small number. */
#define DESCRIPTORS_MAX (1 << 20)

static int gnutls_descriptor(const struct link_map *library, void *session, bool sent)
{
    void (*get)(void *, int *, int *) =
        (void (*)(void *, int *, int *))elf_symbol(library, "gnutls_transport_get_int2");
    int receive = -1, send = -1;
    if (get)
        get(session, &receive, &send);
    int fd = sent ? send : receive;
    return fd >= 0 && fd < DESCRIPTORS_MAX ? fd : -1;
}

static bool gnutls_random(const struct link_map *library, void *session, uint8_t out[TLS_RANDOM_SIZE])
{
    struct datum {
        unsigned char *data;
        unsigned size;
    } client = {NULL, 0}, server = {NULL, 0};
    void (*get)(void *, struct datum *, struct datum *) =
        (void (*)(void *, struct datum *, struct datum *))elf_symbol(library, "gnutls_session_get_random");
    if (get)
        get(session, &client, &server);
    if (!client.data || client.size != TLS_RANDOM_SIZE)
        return false;
    memcpy(out, client.data, TLS_RANDOM_SIZE);
    return true;
}

static const struct tls_library gnutls = {gnutls_descriptor, gnutls_random};

EXPORT ssize_t gnutls_record_recv(gnutls_session_t session, void *buffer, size_t size)
{
    LIBRARY(gnutls_record_recv);
    ssize_t result = real ? real(session, buffer, size) : -1;
    if (result > 0)
        tls_moved(session, &gnutls, call.library, false, buffer, (size_t)result);
    return result;
}

EXPORT ssize_t gnutls_record_send(gnutls_session_t session, const void *buffer, size_t size)
{
    LIBRARY(gnutls_record_send);
    ssize_t result = real ? real(session, buffer, size) : -1;
    if (result > 0 && buffer) /* NULL: goes on with a send that was interrupted */
        tls_moved(session, &gnutls, call.library, true, buffer, (size_t)result);
    else if (result > 0)
        tls_unseen(session, true, (uint64_t)result);
    return result;
}

EXPORT ssize_t gnutls_record_send2(gnutls_session_t session, const void *buffer, size_t size, size_t pad,
                                   unsigned flags)
{
    LIBRARY(gnutls_record_send2);
    ssize_t result = real ? real(session, buffer, size, pad, flags) : -1;
    if (result > 0 && buffer)
        tls_moved(session, &gnutls, call.library, true, buffer, (size_t)result);
    else if (result > 0)
        tls_unseen(session, true, (uint64_t)result);
    return result;
}

EXPORT ssize_t gnutls_record_send_file(gnutls_session_t session, int fd, off_t *offset, size_t size)
{
    LIBRARY(gnutls_record_send_file);
    ssize_t result = real ? real(session, fd, offset, size) : -1;
    if (result > 0)
        tls_unseen(session, true, (uint64_t)result);
    return result;
}

EXPORT void gnutls_deinit(gnutls_session_t session)
{
    LIBRARY(gnutls_deinit);
    tls_freed(session);
    if (real)
        real(session);
}
