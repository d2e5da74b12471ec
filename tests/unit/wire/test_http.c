/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/recorded.h"

#include "wire/fields.h"
#include "wire/parser.h"

static struct said said;

static void requests_and_responses(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "GET /cards/887?size=2 HTTP/1.1\r\nHost: shop.example:8080\r\nAccept: */*\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    client(&said, "POST /cards HTTP/1.1\r\nHost: shop.example:8080\r\nContent-Length: 3\r\n\r\nabc");
    server(&said, "HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n");
    client(&said, "DELETE /cards/1 HTTP/1.1\r\nHost: other.example\r\n\r\n");
    server(&said, "HTTP/1.1 503\r\ncontent-length: \t2 \r\n\r\nno");
    assert_said(&said,
                "name text=shop.example:8080\n"
                "request 0 GET text=/cards/{} bytes=72\n"
                "response 0 status=200 bytes=43\n"
                "request 1 POST text=/cards bytes=71\n"
                "response 1 status=404 failed bytes=44\n"
                "name text=other.example\n"
                "request 2 DELETE text=/cards/{} bytes=49\n"
                "response 2 status=503 failed bytes=39\n");
}

static void chunked_both_ways(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said,
           "PUT /a HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
           "5;name=\"value\"\r\nGET /\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n");
    server(&said,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
           "3 \r\nabc\r\n000\r\n\r\n"
           "HTTP/1.1 200 nobody asked for this\r\nContent-Length: 0\r\n\r\n");
    client(&said, "GET /b HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_said(&said,
                "request 0 PUT text=/a bytes=109\n"
                "response 0 status=200 bytes=82\n"
                "request 1 GET text=/b bytes=19\n"
                "response 1 status=200 bytes=38\n");
}

static void an_answer_before_the_body_ends(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_HTTP);
    client(&said, "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc");
    server(&said, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    client(&said, "de\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    assert_said(&said,
                "request 0 PUT text=/a bytes=53\n"
                "response 0 status=413 failed bytes=45\n"
                "request 1 GET text=/b bytes=19\n");
}

static void pipelined(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\n\r\nGET /c HTTP/1.1\r\n\r\n");
    server(&said,
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
           "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
           "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n");
    client(&said, "GET /d HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_said(&said,
                "request 0 GET text=/a bytes=19\n"
                "request 1 HEAD text=/b bytes=20\n"
                "request 2 GET text=/c bytes=19\n"
                "response 0 status=200 bytes=39\n"
                "response 1 status=200 bytes=41\n"
                "response 2 status=304 bytes=51\n"
                "request 3 GET text=/d bytes=19\n"
                "response 3 status=204 bytes=27\n");
}

static void interim_responses(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    server(&said, "HTTP/1.1 100 Continue\r\n\r\n");
    client(&said, "abc");
    server(&said, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    /* The client never sends the body that was refused. */
    client(&said, "POST /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
    server(&said, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    client(&said, "GET /c HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_said(&said,
                "request 0 POST text=/a bytes=64\n"
                "response 0 status=201 bytes=43\n"
                "request 1 POST text=/b bytes=1064\n"
                "response 1 status=417 failed bytes=54\n"
                "request 2 GET text=/c bytes=19\n"
                "response 2 status=200 bytes=38\n");
}

static void bodies_until_close(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "GET /a HTTP/1.0\nUser-Agent: x\n\n");
    server(&said, "HTTP/1.0 200 OK\nServer: y\n\nHTTP/1.0 200 OK\n\nand so on\n");
    assert_said(&said,
                "request 0 GET text=/a bytes=31\n"
                "response 0 status=200 bytes=27\n");
}

static void forms_of_targets(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "OPTIONS * HTTP/1.1\r\n\r\n");
    client(&said, "GET http://user:s3cret@shop.example/cards/1 HTTP/1.1\r\nHost: user:s3cret@shop.example\r\n\r\n");
    client(&said, "M-SEARCH http://shop.example HTTP/1.1\r\n\r\n");
    assert_said(&said,
                "request 0 OPTIONS text=* bytes=22\n"
                "request 1 GET text=/cards/{} bytes=88\n"
                "request 2 M-SEARCH bytes=41\n");
    assert_kept_secret(&said, "s3cret");
}

/* A tunnel's inside is recognised by itself; here, HTTP again once another protocol had its chance. */
static void tunnels(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(
        &said,
        "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n");
    server(&said, "HTTP/1.1 200 Connection established\r\nContent-Length: 10\r\n\r\n");
    assert_said(&said,
                "name text=shop.example:443\n"
                "request 0 CONNECT text=shop.example:443 bytes=98\n"
                "response 0 status=200 bytes=59\n");
    assert_int_equal(said.conversation.protocol, WIRE_HTTP);
    client(&said, "\x01\x02\x03");
    assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);

    conversation_start(&said, WIRE_HTTP);
    client(&said, "CONNECT shop.example:443 HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    client(&said, "GET / HTTP/1.1\r\n\r\n");
    assert_said(&said,
                "request 0 CONNECT text=shop.example:443 bytes=37\n"
                "response 0 status=403 failed bytes=47\n"
                "request 1 GET text=/ bytes=18\n");
}

static void upgrades(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n");
    server(&said, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello");
    client(&said, "\x81\x85GET / HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\n\r\n");
    assert_said(&said,
                "request 0 GET text=/chat bytes=85\n"
                "response 0 status=101 bytes=56\n");
    assert_int_equal(said.conversation.protocol, WIRE_HTTP);

    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n");
    server(&said, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    server(&said, "\x01");
    assert_string_equal(said.text, "request 0 GET text=/ bytes=69\nresponse 0 status=101 bytes=71\n");
    assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
}

static void first_bytes(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    said.with_first = true;
    client(&said, "GET /a HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 ");
    server(&said, "OK\r\nContent-Length: 2\r\n\r\n");
    server(&said, "a");
    server(&said, "b");
    client(&said, "GET /b HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    said.with_first = false;
    assert_string_equal(said.text,
                        "request 0 GET text=/a bytes=19\n"
                        "first 0\n"
                        "response 0 status=200 bytes=40\n"
                        "request 1 GET text=/b bytes=19\n"
                        "response 1 status=200 bytes=40\n");
}

static void gaps(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "GET /a HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    said_gap(&said, WIRE_SERVER, 1000); /* sendfile */
    client(&said, "GET /b HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nab");
    said_gap(&said, WIRE_SERVER, 997);
    server(&said, "z");
    client(&said, "GET /c HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    said_gap(&said, WIRE_SERVER, 0);
    client(&said, "GET /d HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    client(&said, "GET /e HTT");
    said_gap(&said, WIRE_CLIENT, 0);
    client(&said, "ed: x\r\n\r\nGET /f HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_said(&said,
                "request 0 GET text=/a bytes=19\n"
                "response 0 status=200 bytes=1041\n"
                "request 1 GET text=/b bytes=19\n"
                "response 1 status=200 bytes=1041\n"
                "request 2 GET text=/c bytes=19\n"
                "request 3 GET text=/d bytes=19\n"
                "response 3 status=200 lost bytes=41\n"
                "request 4 GET text=/f lost bytes=19\n"
                "response 4 status=200 bytes=38\n");
}

static void long_header_sections(void **state)
{
    char request[8192], field[2048];
    (void)state;
    memset(field, 'x', sizeof(field));
    snprintf(request, sizeof(request),
             "POST /a HTTP/1.1\r\nCookie: %.*s\r\nX: %.*s\r\nContent-Length: 4\r\nY: %.*s\r\n\r\nGET GET /b "
             "HTTP/1.1\r\n\r\n",
             2000, field, 2000, field, 2000, field);
    conversation_start(&said, WIRE_HTTP);
    said_chunk(&said, WIRE_CLIENT, request, strlen(request));
    assert_string_equal(said.text,
                        "request 0 POST text=/a bytes=6063\n"
                        "request 1 GET text=/b bytes=19\n");
    conversation_repeat(&said, 0, 0, 1);
    assert_string_equal(said.text,
                        "request 0 POST text=/a bytes=6063\n"
                        "request 1 GET text=/b bytes=19\n");
}

static void long_targets(void **state)
{
    char request[4096];
    (void)state;
    snprintf(request, sizeof(request), "GET /%0400d/%01000d HTTP/1.1\r\n\r\n", 7, 8);
    conversation_start(&said, WIRE_HTTP);
    said_chunk(&said, WIRE_CLIENT, request, strlen(request));
    assert_said(&said, "request 0 GET text=/{}/{} truncated bytes=1419\n");
}

static void secrets(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said,
           "GET /login?password=planted HTTP/1.1\r\nHost: planted@x\r\nAuthorization: Basic planted\r\n"
           "Cookie: planted\r\nX-Api-Key: planted\r\n\r\n");
    server(&said,
           "HTTP/1.1 200 planted\r\nSet-Cookie: planted\r\nUpgrade: planted\r\nContent-Length: 7\r\n\r\nplanted");
    assert_said(&said,
                "request 0 GET text=/login bytes=124\n"
                "response 0 status=200 bytes=89\n");
    assert_kept_secret(&said, "planted");
}

static uint64_t last_hash;
static void hash_message(void *context, const struct wire_message *m)
{
    (void)context;
    if (m->kind == WIRE_REQUEST)
        last_hash = m->key_hash;
}

static void the_same_target_has_the_same_hash(void **state)
{
    static const char *const lines[] = {"GET /a?b=1 HTTP/1.1\r\n\r\n", "GET http://u:p@h/a?b=1 HTTP/1.1\r\n\r\n"};
    const struct wire_sink sink = {hash_message, NULL};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct wire_conversation c;
        wire_start(&c, false, WIRE_HTTP);
        wire_feed(&c, WIRE_CLIENT, lines[i], strlen(lines[i]), &sink);
        assert_int_equal(last_hash, field_hash("/a?b=1", 6));
    }
}

/* Answers are told apart as far as WIRE_PENDING; numbers are right beyond. */
static void long_pipelines(void **state)
{
    char expected[64];
    (void)state;
    conversation_start(&said, WIRE_HTTP);
    for (int i = 0; i < 100; i++)
        client(&said, "GET /a HTTP/1.1\r\n\r\n");
    for (int i = 0; i < 100; i++)
        server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    snprintf(expected, sizeof(expected), "response 99 status=200 bytes=38\n");
    assert_non_null(strstr(said.text, expected));
    conversation_start(&said, WIRE_UNKNOWN);
}

static void garbage(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/2.0\r\n\r\n",
        "gEt / HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET\r\n",
        "\x16\x03\x01\n",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        conversation_start(&said, WIRE_HTTP);
        said_chunk(&said, WIRE_CLIENT, bad[i], strlen(bad[i]));
        if (said.conversation.protocol != WIRE_UNKNOWN)
            fail_msg("was HTTP: %s", bad[i]);
        assert_said(&said, "");
    }
}

static void guesses(void **state)
{
    static const struct {
        const char *bytes;
        enum wire_side from;
        enum wire_guess guess;
    } cases[] = {
        {"GET / HTTP/1.1\r\n", WIRE_CLIENT, WIRE_GUESS_YES},
        {"PROPFIND /a HTTP/1.0\n", WIRE_CLIENT, WIRE_GUESS_YES},
        {"GET / HTTP/1.", WIRE_CLIENT, WIRE_GUESS_MORE},
        {"G", WIRE_CLIENT, WIRE_GUESS_MORE},
        {"GET key\r\n", WIRE_CLIENT, WIRE_GUESS_NO},
        {"*1\r\n$4\r\nPING\r\n", WIRE_CLIENT, WIRE_GUESS_NO},
        {"get key\r\n", WIRE_CLIENT, WIRE_GUESS_NO},
        {"OPTIONS sip:a SIP/2.0\r\n", WIRE_CLIENT, WIRE_GUESS_NO},
        {"PRI * HTTP/2.0\r\n", WIRE_CLIENT, WIRE_GUESS_NO},
        {"HTTP/1.1 200 OK\r\n", WIRE_SERVER, WIRE_GUESS_YES},
        {"HTTP/1.1 200\r\n", WIRE_SERVER, WIRE_GUESS_YES},
        {"HTTP/1.1 2", WIRE_SERVER, WIRE_GUESS_MORE},
        {"HTT", WIRE_SERVER, WIRE_GUESS_MORE},
        {"HTTP/1.1 20x", WIRE_SERVER, WIRE_GUESS_MORE},
        {"HTTP/1.1 20x ", WIRE_SERVER, WIRE_GUESS_NO},
        {"HTTP/2 200 OK\r\n", WIRE_SERVER, WIRE_GUESS_NO},
        {"GET / HTTP/1.1\r\n", WIRE_SERVER, WIRE_GUESS_NO},
        {"</html>\r\n", WIRE_SERVER, WIRE_GUESS_NO},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
        if (http_parser.guess(bytes, strlen(cases[i].bytes), cases[i].from) != cases[i].guess)
            fail_msg("%s", cases[i].bytes);
    }
}

/* Recording began in the middle: the end of a body, then a whole exchange. */
static void in_the_middle(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    server(&said, "the end of a body</html>\n");
    client(&said, "GET /a HTTP/1.1\r\n\r\n");
    server(&said, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(said.text,
                        "request 0 GET text=/a bytes=19\n"
                        "response 0 status=200 bytes=38\n");
}

/* Real clients and servers: what was understood is what was asked for. */
static void recorded_conversations(void **state)
{
    (void)state;
    assert_recorded("http", "python", false);
    assert_recorded("http", "http10", false);
    assert_recorded("http", "pipelined", false);
    assert_recorded("http", "curl", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_responses),
        cmocka_unit_test(chunked_both_ways),
        cmocka_unit_test(an_answer_before_the_body_ends),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(interim_responses),
        cmocka_unit_test(bodies_until_close),
        cmocka_unit_test(forms_of_targets),
        cmocka_unit_test(tunnels),
        cmocka_unit_test(upgrades),
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(gaps),
        cmocka_unit_test(long_header_sections),
        cmocka_unit_test(long_targets),
        cmocka_unit_test(secrets),
        cmocka_unit_test(the_same_target_has_the_same_hash),
        cmocka_unit_test(long_pipelines),
        cmocka_unit_test(garbage),
        cmocka_unit_test(guesses),
        cmocka_unit_test(in_the_middle),
        cmocka_unit_test(recorded_conversations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
