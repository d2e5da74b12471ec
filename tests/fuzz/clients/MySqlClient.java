// SPDX-License-Identifier: GPL-2.0-or-later
import java.sql.*;

/** MariaDB's Connector/J: statements prepared in the server, sent before their number is known, and in bulk. */
public class MySqlClient {
    public static void main(String[] args) throws Exception {
        String url = "jdbc:mariadb://127.0.0.1:" + args[0] + "/shop?useServerPrepStmts=true&useBulkStmts=true&user=probe&password=probe";
        try (Connection c = DriverManager.getConnection(url)) {
            try (PreparedStatement s = c.prepareStatement("SELECT id, name FROM user WHERE id = ?")) {
                for (int i = 0; i < 10; i++) {
                    s.setInt(1, i);
                    try (ResultSet r = s.executeQuery()) {
                        while (r.next())
                            r.getString(2);
                    }
                }
            }
            c.setAutoCommit(false);
            try (PreparedStatement s = c.prepareStatement("INSERT INTO user (id, name) VALUES (?, ?)")) {
                for (int i = 200; i < 300; i++) {
                    s.setInt(1, i);
                    s.setString(2, "planted-secret");
                    s.addBatch();
                }
                s.executeBatch();
            }
            c.commit();
            try (Statement s = c.createStatement()) {
                s.addBatch("UPDATE user SET name = 'a' WHERE id = 200");
                s.addBatch("UPDATE user SET name = 'b' WHERE id = 201");
                s.addBatch("DELETE FROM user WHERE id >= 200");
                s.executeBatch();
            }
            c.rollback();
            try (Statement s = c.createStatement()) {
                s.executeQuery("SELECT broken FROM nowhere");
            } catch (SQLException expected) {
                c.rollback();
            }
            c.isValid(1);
        }
    }
}
