// SPDX-License-Identifier: GPL-2.0-or-later
import java.sql.*;

/** PostgreSQL's JDBC driver: named statements after five executions, portals read in parts, batches. */
public class PgSqlClient {
    public static void main(String[] args) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + args[0] + "/postgres?user=postgres&sslmode=disable&gssEncMode=disable";
        try (Connection c = DriverManager.getConnection(url)) {
            try (PreparedStatement s = c.prepareStatement("SELECT id, name FROM item WHERE id = ?")) {
                for (int i = 0; i < 10; i++) {
                    s.setInt(1, i);
                    try (ResultSet r = s.executeQuery()) {
                        while (r.next())
                            r.getString(2);
                    }
                }
            }
            c.setAutoCommit(false);
            try (Statement s = c.createStatement()) {
                s.setFetchSize(30);
                try (ResultSet r = s.executeQuery("SELECT * FROM item")) {
                    while (r.next())
                        r.getString(2);
                }
            }
            try (PreparedStatement s = c.prepareStatement("INSERT INTO item VALUES (?, ?)")) {
                for (int i = 7000; i < 7020; i++) {
                    s.setInt(1, i);
                    s.setString(2, "planted-secret");
                    s.addBatch();
                }
                s.executeBatch();
            }
            c.rollback();
            try (Statement s = c.createStatement()) {
                s.executeQuery("SELECT 1 / (id - id) FROM item");
            } catch (SQLException expected) {
                c.rollback();
            }
            c.isValid(1);
        }
    }
}
