#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that say how much they ask: servers_ask.py memcached PORT COUNT | mysql PORT PASSWORD COUNT | pgsql PORT COUNT.

Expected: each request once in the recording, failed ones as failed; no text that begins with "planted".
"""

import sys


def memcached(port, count):
    import memcache
    client = memcache.Client([f"127.0.0.1:{port}"])
    for i in range(int(count)):
        client.set(f"key{i % 100}", "planted value", time=30)
        client.get(f"key{i % 100}")
    client.disconnect_all()


def mysql(port, password, count):
    import MySQLdb
    connection = MySQLdb.connect(host="127.0.0.1", port=int(port), user="probe", passwd=password, db="shop", autocommit=True)
    cursor = connection.cursor()
    for i in range(int(count)):
        cursor.execute("SELECT name FROM user WHERE id = %s AND name <> %s", (i, "planted"))
        cursor.fetchall()
    for i in range(5):
        cursor.execute("INSERT INTO user VALUES (%s, 'planted')", (1000 + i,))
    cursor.execute("UPDATE user SET name = 'planted'")
    try:
        cursor.execute("SELECT nothing FROM nowhere")
    except MySQLdb.Error:
        pass
    connection.close()


def pgsql(port, count):
    import psycopg2
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id int, name text)")
    for i in range(int(count)):
        cursor.execute("SELECT name FROM t WHERE id = %s AND name <> %s", (i, "planted"))
        cursor.fetchall()
    for i in range(5):
        cursor.execute("INSERT INTO t VALUES (%s, 'planted')", (i,))
    try:
        cursor.execute("SELECT nothing FROM nowhere")
    except psycopg2.Error:
        pass
    connection.close()


{"memcached": memcached, "mysql": mysql, "pgsql": pgsql}[sys.argv[1]](*sys.argv[2:])
