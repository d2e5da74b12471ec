// SPDX-License-Identifier: GPL-2.0-or-later
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/**
 * A Java NIO server on PORT that answers every request with the same page, on one selector. BLOCK=sleep and BLOCK=wait block the
 * selector's thread for 8 ms at every request (non-yielding-io is expected); BLOCK=elsewhere sleeps in another thread.
 */
public class NioServer {
    private static final byte[] ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n".getBytes();

    private static final String BLOCK = String.valueOf(System.getenv("BLOCK"));
    private static final Object LOCK = new Object();

    private static void block() throws InterruptedException {
        if (BLOCK.equals("sleep")) {
            Thread.sleep(8);
        } else if (BLOCK.equals("wait")) {
            synchronized (LOCK) {
                LOCK.wait(8);
            }
        }
    }

    private static void sleepElsewhere() {
        try {
            while (true) {
                Thread.sleep(8);
            }
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
    }

    public static void main(String[] arguments) throws Exception {
        Selector selector = Selector.open();
        ServerSocketChannel listener = ServerSocketChannel.open();
        listener.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))));
        listener.configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
        if (BLOCK.equals("elsewhere")) {
            Thread sleeper = new Thread(NioServer::sleepElsewhere);
            sleeper.setDaemon(true);
            sleeper.start();
        }
        while (true) {
            selector.select();
            for (SelectionKey key : selector.selectedKeys()) {
                serve(selector, listener, key);
            }
            selector.selectedKeys().clear();
        }
    }

    private static void serve(Selector selector, ServerSocketChannel listener, SelectionKey key) throws Exception {
        if (key.isAcceptable()) {
            SocketChannel client = listener.accept();
            client.configureBlocking(false);
            client.register(selector, SelectionKey.OP_READ);
            return;
        }
        SocketChannel client = (SocketChannel) key.channel();
        try {
            if (client.read(ByteBuffer.allocate(4096)) > 0) {
                block();
                client.write(ByteBuffer.wrap(ANSWER));
                return;
            }
        } catch (IOException reset) {
            // The client left without a word, as load generators do.
        }
        client.close();
    }
}
