# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of MySQL whose conversations are recorded: Python's drivers, the command line, and libmariadb itself."""

import ctypes
import subprocess

import MySQLdb
import pymysql

from lib.process import run, scratch
from lib.servers import PASSWORD

HOST = "127.0.0.1"


def statements(cursor, ignore):
    """What every driver is asked for."""
    cursor.execute("SELECT id, name FROM user WHERE id = %s", (1,))
    cursor.fetchall()
    cursor.execute("SELECT name FROM user WHERE name = %s AND id IN (1, 2, 3)", ("it's \"quoted\" \\ planted-secret",))
    cursor.fetchall()
    cursor.executemany("INSERT INTO user (id, name) VALUES (%s, %s)", [(i, f"name {i}") for i in range(10, 60)])
    cursor.execute("SELECT a.id, b.name FROM user a JOIN user b WHERE a.id < 3")
    cursor.fetchall()
    with ignore:
        cursor.execute("SELECT nothing FROM nowhere")
    cursor.execute("UPDATE user SET name = 'x'")
    cursor.execute("DELETE FROM user WHERE id >= 10")
    cursor.execute("SELECT " + ", ".join(f"{i} AS column_{i}" for i in range(300)))
    cursor.fetchall()
    cursor.execute("SELECT REPEAT('long', 2000)")
    cursor.fetchall()
    cursor.execute("SELECT GET_LOCK('job', 1)")
    cursor.fetchall()


def mysqldb(port):
    import contextlib
    connection = MySQLdb.connect(host=HOST, port=port, user="probe", password=PASSWORD, database="shop", local_infile=1)
    cursor = connection.cursor()
    statements(cursor, contextlib.suppress(MySQLdb.Error))
    connection.commit()
    connection.ping()
    rows = scratch("rows") / "rows.csv"
    rows.write_text("".join(f"{i}\tplanted-secret\n" for i in range(1000, 1100)))
    cursor.execute(f"LOAD DATA LOCAL INFILE '{rows}' INTO TABLE user")
    cursor.execute("DELETE FROM user WHERE id >= 1000")
    connection.rollback()
    connection.select_db("mysql")
    connection.close()


def pymysql_(port):
    import contextlib
    connection = pymysql.connect(host=HOST, port=port, user="probe", password=PASSWORD, database="shop",
                                 client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    cursor = connection.cursor()
    statements(cursor, contextlib.suppress(pymysql.MySQLError))
    cursor.execute("SET @a = 1; SELECT @a; SELECT id FROM user")
    while cursor.nextset():
        pass
    cursor.execute("START TRANSACTION")
    cursor.execute("SELECT name FROM user WHERE id = 2 FOR UPDATE")
    cursor.execute("ROLLBACK")
    connection.ping()
    connection.close()


def command_line(*options):
    def client(port):
        script = ("SELECT 1; USE shop; SELECT * FROM user; SHOW TABLES; CREATE TABLE t (a INT); INSERT INTO t VALUES (1),(2);\n"
                  "CALL mysql.nowhere(); SELECT REPEAT('x', 5000); DROP TABLE t; CREATE USER w IDENTIFIED BY 'planted-secret';\n"
                  "SET PASSWORD FOR w = PASSWORD('planted-secret'); DROP USER w;\n")
        subprocess.run(["mariadb", "--no-defaults", f"--host={HOST}", f"--port={port}", "--user=probe", f"--password={PASSWORD}", "--force",
                        "--skip-ssl", *options], input=script, text=True, capture_output=True, check=False, timeout=60)
    return client


def perl(port):
    """Prepared statements with parameters, over the binary protocol."""
    script = f"""
        use DBI;
        my $d = DBI->connect("DBI:MariaDB:database=shop;host={HOST};port={port};mariadb_server_prepare=1", "probe", "{PASSWORD}",
                             {{RaiseError => 1, PrintError => 0}});
        my $s = $d->prepare("SELECT id, name FROM user WHERE id = ?");
        for my $i (1 .. 5) {{ $s->execute($i); $s->fetchall_arrayref(); }}
        my $i = $d->prepare("INSERT INTO user (id, name) VALUES (?, ?)");
        $i->execute($_, "planted-secret") for 100 .. 110;
        eval {{ $i->execute(100, "planted-secret") }};
        $d->prepare("UPDATE user SET name = ? WHERE id = ?")->execute("planted-secret", 100);
        my @many = map {{ $d->prepare("SELECT $_ + ? AS number_$_ FROM user WHERE id = ?") }} 1 .. 12;
        for my $m (@many) {{ $m->execute(1, 2); $m->fetchall_arrayref(); }}
        $s->execute(2); $s->fetchall_arrayref();
        $d->begin_work; $d->do("DELETE FROM user WHERE id >= 100"); $d->commit;
        $d->ping; $d->disconnect;
    """
    run(["perl", "-e", script])


def library(port):
    """What drivers rarely use, called in libmariadb itself."""
    lib = ctypes.CDLL("libmariadb.so.3")
    for name in ("mysql_init", "mysql_real_connect", "mysql_stmt_init", "mysql_list_fields", "mysql_stat"):
        getattr(lib, name).restype = ctypes.c_void_p
    mysql = ctypes.c_void_p(lib.mysql_init(None))
    assert lib.mysql_real_connect(mysql, HOST.encode(), b"probe", PASSWORD.encode(), b"shop", port, None, 0)
    assert lib.mysql_stat(mysql)
    assert lib.mysql_ping(mysql) == 0
    assert lib.mysql_select_db(mysql, b"shop") == 0
    assert lib.mysql_change_user(mysql, b"probe", PASSWORD.encode(), b"shop") == 0
    assert lib.mysql_reset_connection(mysql) == 0
    fields = ctypes.c_void_p(lib.mysql_list_fields(mysql, b"user", None))
    lib.mysql_free_result(fields)
    statement = ctypes.c_void_p(lib.mysql_stmt_init(mysql))
    cursor = ctypes.c_ulong(1)  # CURSOR_TYPE_READ_ONLY
    query = b"SELECT a.id FROM user a, user b, user c"
    lib.mysql_stmt_attr_set(statement, 1, ctypes.byref(cursor))  # STMT_ATTR_CURSOR_TYPE
    assert lib.mysql_stmt_prepare(statement, query, len(query)) == 0
    assert lib.mysql_stmt_execute(statement) == 0
    while lib.mysql_stmt_fetch(statement) == 0:
        pass
    lib.mysql_stmt_reset(statement)
    lib.mysql_stmt_close(statement)
    direct = ctypes.c_void_p(lib.mysql_stmt_init(mysql))
    query = b"SELECT name FROM user WHERE id = 2"
    assert lib.mariadb_stmt_execute_direct(direct, query, len(query)) == 0
    lib.mysql_stmt_store_result(direct)
    lib.mysql_stmt_close(direct)
    lib.mysql_close(mysql)


CLIENTS = {"mysqldb": mysqldb, "pymysql": pymysql_, "cli": command_line(), "compressed": command_line("--compress"), "perl": perl,
           "library": library}
