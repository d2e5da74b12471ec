/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <cmocka.h>

#include "capture/endpoint.h"
#include "recording.h"

static char text[ENDPOINT_TEXT_MAX];
static enum endpoint_kind kind;

static const char *format(const void *address, socklen_t length)
{
    char room[ENDPOINT_TEXT_MAX + 1];
    memset(room, '#', sizeof(room));
    size_t n = endpoint_format(address, length, room, &kind);
    assert_true(n < sizeof(text));
    assert_int_equal(room[ENDPOINT_TEXT_MAX], '#');
    memcpy(text, room, n);
    text[n] = '\0';
    return text;
}

static const char *format_inet(const char *address, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
    return format(&in, sizeof(in));
}

static const char *format_inet6(const char *address, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
    return format(&in6, sizeof(in6));
}

static const char *format_path(const char *path, size_t length)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, path, length);
    return format(&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

static void inet(void **state)
{
    (void)state;
    assert_string_equal(format_inet("127.0.0.1", 3306), "127.0.0.1:3306");
    assert_string_equal(format_inet("0.0.0.0", 0), "0.0.0.0:0");
    assert_string_equal(format_inet("255.255.255.255", 65535), "255.255.255.255:65535");
    assert_int_equal(kind, ENDPOINT_INET);
}

/* RFC 5952, section 4 */
static void inet6(void **state)
{
    (void)state;
    assert_string_equal(format_inet6("::", 80), "[::]:80");
    assert_string_equal(format_inet6("::1", 80), "[::1]:80");
    assert_string_equal(format_inet6("1::", 80), "[1::]:80");
    assert_string_equal(format_inet6("2001:0db8::0001", 1), "[2001:db8::1]:1");
    assert_string_equal(format_inet6("2001:db8:0:1:1:1:1:1", 1), "[2001:db8:0:1:1:1:1:1]:1"); /* 4.2.2 */
    assert_string_equal(format_inet6("2001:0:0:1:0:0:0:1", 1), "[2001:0:0:1::1]:1");          /* 4.2.3 */
    assert_string_equal(format_inet6("2001:db8:0:0:1:0:0:1", 1), "[2001:db8::1:0:0:1]:1");    /* 4.2.3 */
    assert_string_equal(format_inet6("2001:db8::ABCD:0", 1), "[2001:db8::abcd:0]:1");         /* 4.3 */
    assert_string_equal(format_inet6("fe80:1:2:3:4:5:6:7", 65535), "[fe80:1:2:3:4:5:6:7]:65535");
    assert_string_equal(format_inet6("0:1:2:3:4:5:6:0", 1), "[0:1:2:3:4:5:6:0]:1");
    assert_string_equal(format_inet6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_int_equal(kind, ENDPOINT_INET6);
    /* what inet_ntop says, for every pattern of zero groups */
    for (int pattern = 0; pattern < 256; pattern++) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
        char address[INET6_ADDRSTRLEN], expected[INET6_ADDRSTRLEN + 16];
        for (int i = 0; i < 8; i++)
            in6.sin6_addr.s6_addr16[i] = pattern & (1 << i) ? htons((uint16_t)(0x10 << i)) : 0;
        assert_non_null(inet_ntop(AF_INET6, &in6.sin6_addr, address, sizeof(address)));
        snprintf(expected, sizeof(expected), "[%s]:9", address);
        if (!strchr(address, '.'))
            assert_string_equal(format(&in6, sizeof(in6)), expected);
    }
}

static void inet6_mapped_is_inet(void **state)
{
    (void)state;
    assert_string_equal(format_inet6("::ffff:10.1.2.3", 5432), "10.1.2.3:5432");
    assert_int_equal(kind, ENDPOINT_INET);
}

static void unix_names(void **state)
{
    (void)state;
    assert_string_equal(format_path("/run/db.sock", 13), "/run/db.sock");
    assert_int_equal(kind, ENDPOINT_UNIX);
    assert_string_equal(format_path("/run/db.sock", 12), "/run/db.sock"); /* without end mark */
    assert_string_equal(format_path("\0abstract", 9), "@abstract");
    assert_string_equal(format_path("", 0), ""); /* unnamed: a socketpair */
    assert_int_equal(kind, ENDPOINT_UNIX);
    char full[108];
    memset(full, 'p', sizeof(full));
    assert_int_equal(strlen(format_path(full, sizeof(full))), 108);
    full[0] = '\0';
    assert_int_equal(strlen(format_path(full, sizeof(full))), 108);
    assert_int_equal(text[0], '@');
}

static void not_an_address(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr other = {.sa_family = AF_NETLINK};
    assert_string_equal(format(NULL, 0), "");
    assert_int_equal(kind, ENDPOINT_SOCKET);
    assert_string_equal(format(&in, 1), "");
    assert_string_equal(format(&in, sizeof(in) - 1), "");
    assert_int_equal(kind, ENDPOINT_SOCKET);
    assert_string_equal(format(&in6, sizeof(in6) - 1), "");
    assert_string_equal(format(&other, sizeof(other)), "");
    assert_int_equal(kind, ENDPOINT_SOCKET);
    assert_int_equal(endpoint_address(ROLE_CLIENT, &other, sizeof(other)), 0);
}

static uint32_t intern(enum endpoint_kind k, enum endpoint_role role, const char *name)
{
    return endpoint_intern(k, role, name, strlen(name), 0);
}

static void same_endpoint_same_number(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    uint32_t db = intern(ENDPOINT_INET, ROLE_CLIENT, "10.0.0.1:3306");
    assert_true(db > ENDPOINT_OVERFLOW);
    assert_true(endpoint_known(db));
    assert_false(endpoint_known(0));
    assert_false(endpoint_known(ENDPOINT_OVERFLOW));
    assert_false(endpoint_known(UINT32_MAX));
    assert_int_equal(intern(ENDPOINT_INET, ROLE_CLIENT, "10.0.0.1:3306"), db);
    assert_int_not_equal(intern(ENDPOINT_INET, ROLE_SERVER, "10.0.0.1:3306"), db);
    assert_int_not_equal(intern(ENDPOINT_NAME, ROLE_CLIENT, "10.0.0.1:3306"), db);
    assert_int_not_equal(intern(ENDPOINT_INET, ROLE_CLIENT, "10.0.0.1:3307"), db);
    uint32_t here = endpoint_intern(ENDPOINT_WAITSET, ROLE_NONE, "", 0, 0x1000);
    assert_int_not_equal(endpoint_intern(ENDPOINT_WAITSET, ROLE_NONE, "", 0, 0x1008), here);
    char long_name[ENDPOINT_TEXT_MAX + 50];
    memset(long_name, 'n', sizeof(long_name));
    uint32_t cut = endpoint_intern(ENDPOINT_NAME, ROLE_NONE, long_name, sizeof(long_name), 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(3306)};
    assert_int_equal(inet_pton(AF_INET, "10.0.0.1", &in.sin_addr), 1);
    assert_int_equal(endpoint_address(ROLE_CLIENT, (struct sockaddr *)&in, sizeof(in)), db);

    struct trace *t = recording_end();
    const struct trace_endpoint *e = trace_endpoint_find(t, db);
    assert_non_null(e);
    assert_string_equal(e->text, "10.0.0.1:3306");
    assert_int_equal(e->kind, ENDPOINT_INET);
    assert_int_equal(e->role, ROLE_CLIENT);
    assert_int_equal(trace_endpoint_find(t, here)->pc, 0x1000);
    assert_int_equal(strlen(trace_endpoint_find(t, cut)->text), ENDPOINT_TEXT_MAX);
    recording_close(t);
}

/* ---- eight threads at once ---- */

enum { THREADS = 8, NAMES = 300 };
static uint32_t numbers[THREADS][NAMES];

static void *intern_many(void *argument)
{
    int thread = (int)(intptr_t)argument;
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        int which = (i * 7 + thread * 13) % NAMES; /* each in an order of its own; 7 and NAMES have no common divisor */
        snprintf(name, sizeof(name), "shared-%d", which);
        numbers[thread][which] = intern(ENDPOINT_NAME, ROLE_NONE, name);
        snprintf(name, sizeof(name), "own-%d-%d", thread, i);
        intern(ENDPOINT_NAME, ROLE_NONE, name);
    }
    return NULL;
}

static void threads_agree(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    recording_begin(8 << 20);
    for (intptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, intern_many, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct trace *t = recording_end();
    for (int name = 0; name < NAMES; name++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "shared-%d", name);
        for (int thread = 1; thread < THREADS; thread++)
            assert_int_equal(numbers[thread][name], numbers[0][name]);
        assert_string_equal(trace_endpoint_find(t, numbers[0][name])->text, expected);
        for (int other = 0; other < name; other++)
            assert_int_not_equal(numbers[0][other], numbers[0][name]);
    }
    assert_int_equal(trace_endpoint_count(t), NAMES * (THREADS + 1)); /* each was entered once */
    recording_close(t);
}

/* ---- too many ---- */

static uint32_t intern_numbered(enum endpoint_kind k, int i)
{
    char name[32];
    snprintf(name, sizeof(name), "numbered-%d", i);
    return intern(k, ROLE_NONE, name);
}

static void files_have_a_limit(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    int given = 0;
    for (int i = 0; i < 5000; i++)
        given += intern_numbered(ENDPOINT_FILE, i) > ENDPOINT_OVERFLOW;
    assert_in_range(given, 1000, 2048);
    assert_int_equal(intern_numbered(ENDPOINT_FILE, 4999), ENDPOINT_OVERFLOW);
    assert_true(intern_numbered(ENDPOINT_FILE, 0) > ENDPOINT_OVERFLOW);    /* known ones stay known */
    assert_true(intern(ENDPOINT_FILE, ROLE_NONE, "") > ENDPOINT_OVERFLOW); /* files in general */
    assert_true(intern_numbered(ENDPOINT_INET, 0) > ENDPOINT_OVERFLOW);    /* others have room left */
    recording_close(recording_end());
}

static void full_table(void **state)
{
    (void)state;
    recording_begin(16 << 20);
    uint32_t first = intern_numbered(ENDPOINT_NAME, 0), last = 0;
    for (int i = 1; i < 30000; i++)
        last = intern_numbered(ENDPOINT_NAME, i);
    assert_int_equal(last, ENDPOINT_OVERFLOW);
    assert_int_equal(intern_numbered(ENDPOINT_NAME, 0), first);
    recording_close(recording_end());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inet),
        cmocka_unit_test(inet6),
        cmocka_unit_test(inet6_mapped_is_inet),
        cmocka_unit_test(unix_names),
        cmocka_unit_test(not_an_address),
        cmocka_unit_test(same_endpoint_same_number),
        cmocka_unit_test(threads_agree),
        cmocka_unit_test(files_have_a_limit),
        cmocka_unit_test(full_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
