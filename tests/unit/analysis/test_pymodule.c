/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/pymodule.h"

static const struct sample {
    const char *file, *module;
    bool system;
} SAMPLES[] = {
    {"/usr/lib/python3/dist-packages/gevent/hub.py", "gevent.hub", true},
    {"/usr/lib/python3/dist-packages/MySQLdb/connections.py", "MySQLdb.connections", false},
    {"/usr/lib/python3/dist-packages/MySQLdb/__init__.py", "MySQLdb", false},
    {"/venv/lib/python3.11/site-packages/pymysql/connections.py", "pymysql.connections", false},
    {"/venv/lib/python3.11/site-packages/uvloop/__init__.py", "uvloop", true},
    {"/venv/lib/python3.11/site-packages/tornado/ioloop.py", "tornado.ioloop", true},
    {"/venv/lib/python3.11/site-packages/tornado/web.py", "tornado.web", false},
    {"/venv/lib/python3.8/site-packages/foo-1.0-py3.8.egg/foo/bar.py", "foo.bar", false},
    {"/usr/lib/python3.11/asyncio/base_events.py", "asyncio.base_events", true},
    {"/usr/lib/python3.11/socket.py", "socket", true},
    {"/usr/lib/python3.11/xml/__init__.py", "xml", true},
    {"/usr/lib64/python3.9/threading.py", "threading", true},
    {"/opt/python/lib/python3.13t/queue.py", "queue", true},
    {"/usr/lib/python311.zip/json/decoder.py", "json.decoder", true},
    {"<frozen importlib._bootstrap>", "importlib._bootstrap", true},
    {"<string>", "<string>", false},
    {"<stdin>", "<stdin>", false},
    {"/nowhere/server.py", "server", false},
    {"/nowhere/server.pyc", "server", false},
    {"server.py", "server", false},
    {"/nowhere/gevented.py", "gevented", false},
    {"/home/me/python3.11/app.py", "app", false},
    {"", "", false},
};

static void names_and_owners(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(SAMPLES) / sizeof(*SAMPLES); i++) {
        char name[128];
        pymodule_name(SAMPLES[i].file, name, sizeof(name));
        assert_string_equal(name, SAMPLES[i].module);
        if (pymodule_is_system(SAMPLES[i].file, name) != SAMPLES[i].system)
            fail_msg("%s: system code is %d", SAMPLES[i].file, SAMPLES[i].system);
    }
}

static void name_is_cut_to_the_buffer(void **state)
{
    (void)state;
    char name[8];
    pymodule_name("/usr/lib/python3/dist-packages/gevent/hub.py", name, sizeof(name));
    assert_string_equal(name, "gevent.");
    pymodule_name("<frozen importlib._bootstrap>", name, sizeof(name));
    assert_string_equal(name, "importl");
    pymodule_name("/x.py", name, 0);
}

static void file_touch(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static void packages_on_disk_are_climbed(void **state)
{
    (void)state;
    char root[] = "/tmp/cprobe-pymodule-XXXXXX", package[64], sub[80], file[128], name[128];
    assert_non_null(mkdtemp(root));
    snprintf(package, sizeof(package), "%s/app", root);
    snprintf(sub, sizeof(sub), "%s/views", package);
    assert_int_equal(mkdir(package, 0700) | mkdir(sub, 0700), 0);
    file_touch(package, "__init__.py");
    file_touch(sub, "__init__.py");
    snprintf(file, sizeof(file), "%s/user.py", sub);
    pymodule_name(file, name, sizeof(name));
    assert_string_equal(name, "app.views.user");
    snprintf(file, sizeof(file), "%s/__init__.py", sub);
    pymodule_name(file, name, sizeof(name));
    assert_string_equal(name, "app.views");
    unlink(file);
    rmdir(sub);
    snprintf(file, sizeof(file), "%s/__init__.py", package);
    unlink(file);
    rmdir(package);
    rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_owners),
        cmocka_unit_test(name_is_cut_to_the_buffer),
        cmocka_unit_test(packages_on_disk_are_climbed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
