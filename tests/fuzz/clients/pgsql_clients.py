# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of PostgreSQL whose conversations are recorded."""

import asyncio
import contextlib
import subprocess

import asyncpg
import psycopg
import psycopg2

from lib.process import run, scratch

HOST = "127.0.0.1"
USER = "postgres"


def prepare(port):
    """Tables, and a log of everything."""
    connection = psycopg2.connect(host=HOST, port=port, user=USER, dbname="postgres")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE item (id INT PRIMARY KEY, name TEXT)")
    cursor.execute("INSERT INTO item SELECT i, 'name ' || i FROM generate_series(1, 100) i")
    run(["pgbench", "-i", "-q", "-h", HOST, "-p", port, "-U", USER, "postgres"])
    cursor.execute("ALTER SYSTEM SET log_statement = 'all'")
    cursor.execute("SELECT pg_reload_conf()")
    connection.close()
    probe = psycopg2.connect(host=HOST, port=port, user=USER, dbname="postgres")
    with probe.cursor() as cursor:
        setting = ""
        while setting != "all":
            cursor.execute("SHOW log_statement")
            setting = cursor.fetchone()[0]
    probe.close()


def psycopg2_(port):
    connection = psycopg2.connect(host=HOST, port=port, user=USER, dbname="postgres")
    cursor = connection.cursor()
    cursor.execute("SELECT id, name FROM item WHERE id = %s", (42,))
    cursor.execute("SELECT name FROM item WHERE name = %s AND id IN (1, 2, 3)", ("it's a planted-secret \\",))
    cursor.executemany("INSERT INTO item VALUES (%s, %s)", [(i, "planted-secret") for i in range(1000, 1010)])
    cursor.execute("UPDATE item SET name = name")
    cursor.execute("DELETE FROM item WHERE id >= 1000")
    connection.commit()
    with contextlib.suppress(psycopg2.Error):
        cursor.execute("SELECT nothing FROM nowhere")
    connection.rollback()
    named = connection.cursor("held")
    named.execute("SELECT * FROM item")
    named.fetchmany(10)
    named.close()
    with open(scratch("copy") / "rows", "w+", encoding="utf-8") as rows:
        rows.write("".join(f"{i}\tplanted-secret\n" for i in range(2000, 2100)))
        rows.seek(0)
        cursor.copy_from(rows, "item")
        cursor.copy_to(rows, "item")
    connection.rollback()
    connection.close()


def psycopg3(port):
    with psycopg.connect(host=HOST, port=port, user=USER, dbname="postgres", autocommit=True) as connection:
        for i in range(8):
            connection.execute("SELECT name FROM item WHERE id = %s", (i,)).fetchall()
        with connection.pipeline(), connection.cursor() as cursor:
            for i in range(20):
                cursor.execute("UPDATE item SET name = %s WHERE id = %s", ("planted-secret", i))
        with contextlib.suppress(psycopg.Error), connection.pipeline():
            connection.execute("SELECT 1 / (id - id) FROM item WHERE id = %s", (1,))
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy("COPY item FROM STDIN") as copy:
                for i in range(3000, 3050):
                    copy.write_row((i, "planted-secret"))
            with cursor.copy("COPY (SELECT * FROM item) TO STDOUT") as copy:
                for _ in copy:
                    pass
            cursor.execute("DELETE FROM item WHERE id >= %s", (3000,))
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO item VALUES (%s, %s) ON CONFLICT DO NOTHING", [(i, "x") for i in range(200)])
        connection.execute("LISTEN news")
        connection.execute("NOTIFY news, 'planted-secret'")


def asyncpg_(port):
    async def talk():
        connection = await asyncpg.connect(host=HOST, port=port, user=USER, database="postgres")
        await connection.execute("SELECT 1")
        for i in range(3):
            await connection.fetch("SELECT name FROM item WHERE id = $1", i)
        await connection.executemany("UPDATE item SET name = $1 WHERE id = $2", [("planted-secret", i) for i in range(150)])
        async with connection.transaction():
            async for _ in connection.cursor("SELECT * FROM item WHERE id > $1", 5, prefetch=20):
                pass
        with contextlib.suppress(asyncpg.PostgresError):
            await connection.fetch("SELECT 1 / (id - id) FROM item WHERE id > $1", 0)
        with contextlib.suppress(asyncpg.PostgresError):
            await connection.fetch("SELECT 1 FROM nowhere WHERE id = $1", 0)
        await connection.add_listener("news", lambda *_: None)
        await connection.execute("NOTIFY news, 'planted-secret'")
        await connection.copy_records_to_table("item", records=[(i, "planted-secret") for i in range(5000, 5020)])
        await connection.execute("DELETE FROM item WHERE id >= 5000")
        await connection.close()
    asyncio.run(talk())


def psql(port):
    script = ("SELECT 1; SELECT count(*) FROM item;\nBEGIN; UPDATE item SET name = 'planted-secret' WHERE id = 5; SELECT 1/0;\n"
              "ROLLBACK;\nCREATE ROLE w PASSWORD 'planted-secret';\nALTER ROLE w PASSWORD 'planted-secret';\nDROP ROLE w;\n"
              "\\copy item TO /dev/null\nDO $$ BEGIN PERFORM 'planted-secret'; END $$;\n")
    subprocess.run(["psql", "-X", "-q", "-h", HOST, "-p", str(port), "-U", USER, "postgres"], input=script, text=True, capture_output=True,
                   check=False, timeout=60)
    subprocess.run(["psql", "-X", "-q", "-h", HOST, "-p", str(port), "-U", USER, "-c", "SELECT 1; SELECT 2; SELECT 3", "postgres"],
                   capture_output=True, check=False, timeout=60)


def pgbench(mode):
    def client(port):
        run(["pgbench", "-n", "-t", "5", "-M", mode, "-h", HOST, "-p", port, "-U", USER, "postgres"])
    return client


def pgbench_pipeline(port):
    script = scratch("pgbench") / "pipeline.sql"
    script.write_text("\\startpipeline\nBEGIN;\nSELECT abalance FROM pgbench_accounts WHERE aid = 1;\n"
                      "UPDATE pgbench_tellers SET tbalance = 1 WHERE tid = 1;\nEND;\n\\endpipeline\n")
    run(["pgbench", "-n", "-t", "5", "-M", "prepared", "-f", script, "-h", HOST, "-p", port, "-U", USER, "postgres"])


CLIENTS = {"psycopg2": psycopg2_, "psycopg3": psycopg3, "asyncpg": asyncpg_, "psql": psql, "pgbench_simple": pgbench("simple"),
           "pgbench_extended": pgbench("extended"), "pgbench_prepared": pgbench("prepared"), "pgbench_pipeline": pgbench_pipeline}
