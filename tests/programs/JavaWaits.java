// SPDX-License-Identifier: GPL-2.0-or-later

/**
 * Threads that sleep below a few calls, compiled or not, until they are stopped. Expected with -XX:+PreserveFramePointer:
 * all stacks are whole; without it: those of the virtual machine's own threads.
 */
public class JavaWaits {
    static long worked;

    static int work(int count) {
        int sum = 0;
        for (int i = 0; i < count; i++)
            sum += i * i;
        return sum;
    }

    static void serve(int depth) throws InterruptedException {
        if (depth > 0)
            serve(depth - 1);
        else
            Thread.sleep(2);
        worked += work(2000);
    }

    static void run() {
        try {
            for (;;)
                serve(8);
        } catch (InterruptedException stopped) {
            return;
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        for (int i = 0; i < 3; i++)
            new Thread(JavaWaits::run).start();
        System.out.println("ready");
    }
}
