/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analysis/function_name.h"

static void mangled_names_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *symbol, *name;
    } cases[] = {
        {"_ZN4node17SyncProcessRunner5SpawnERKN2v820FunctionCallbackInfoINS1_5ValueEEE",
         "node::SyncProcessRunner::Spawn(v8::FunctionCallbackInfo<v8::Value> const&)"},
        {"_ZN3mio4poll4Poll4poll17h0123456789abcdefE", "mio::poll::Poll::poll"},
        {"_ZN3mio4poll4Poll4poll17h0123456789abcdegE", "mio::poll::Poll::poll::h0123456789abcdeg"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *name = function_name_demangle(cases[i].symbol);
        assert_string_equal(name, cases[i].name);
        free(name);
    }
    assert_null(function_name_demangle("poll"));
    assert_null(function_name_demangle("_Z"));
    assert_null(function_name_demangle("_ZN4node17Sync"));
    assert_null(function_name_demangle(""));
}

static void names_are_shortened(void **state)
{
    (void)state;
    static const struct {
        const char *name, *shown;
    } cases[] = {
        {"poll", "poll"},
        {"0x1234", "0x1234"},
        {"node::SyncProcessRunner::Spawn(v8::FunctionCallbackInfo<v8::Value> const&)",
         "node::SyncProcessRunner::Spawn"},
        {"std::vector<int, std::allocator<int> >::push_back(int const&)", "std::vector::push_back"},
        {"void boost::asio::post<boost::asio::io_context>(boost::asio::io_context&)", "boost::asio::post"},
        {"unsigned long ns::size<3ul>(char (&) [3])", "ns::size"},
        {"ns::(anonymous namespace)::run(int) [clone .cold]", "ns::(anonymous namespace)::run"},
        {"run(int)::{lambda(int)#1}::operator()(int) const", "run::{lambda#1}::operator()"},
        {"std::ostream& std::operator<< <char>(std::ostream&, char)", "std::operator<<"},
        {"bool operator<(A const&, A const&)", "operator<"},
        {"A::operator bool() const", "A::operator bool"},
        {"operator new(unsigned long)", "operator new"},
        {"ptr<A>::operator->() const", "ptr::operator->"},
        {"A::operator_name(int)", "A::operator_name"},
        {"A::get() const &", "A::get"},
        {"broken<<(", "broken"},
        {"broken)>", "broken)>"},
    };
    char buffer[128];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct frame frame = {.kind = FRAME_NATIVE, .function = cases[i].name, .module = "m"};
        assert_string_equal(function_name_short(&frame, buffer, sizeof(buffer)), cases[i].shown);
    }
}

static void other_languages_are_left_alone(void **state)
{
    (void)state;
    char buffer[128];
    struct frame frame = {.kind = FRAME_PYTHON, .function = "View.<locals>.<lambda>", .module = "app"};
    assert_string_equal(function_name_short(&frame, buffer, sizeof(buffer)), "View.<locals>.<lambda>");
}

static void room_is_respected(void **state)
{
    (void)state;
    char buffer[6];
    struct frame frame = {.kind = FRAME_NATIVE, .function = "ns::Class::run(int)", .module = "m"};
    assert_string_equal(function_name_short(&frame, buffer, sizeof(buffer)), "ns::C");
    frame.function = "a_long_name";
    assert_string_equal(function_name_short(&frame, buffer, sizeof(buffer)), "a_lon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mangled_names_are_read),
        cmocka_unit_test(names_are_shortened),
        cmocka_unit_test(other_languages_are_left_alone),
        cmocka_unit_test(room_is_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
