// SPDX-License-Identifier: GPL-2.0-or-later
// The locks of C++'s library, each fought over by four threads. Prints what they counted and what the time limits gave.
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

template <typename Function> static void four(Function function)
{
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back(function);
    for (auto &thread : threads)
        thread.join();
}

template <typename Mutex> static void count(const char *name)
{
    static Mutex mutex;
    long counter = 0;
    four([&] {
        for (int i = 0; i < 5000; i++) {
            std::lock_guard<Mutex> guard(mutex);
            counter++;
        }
    });
    std::printf("%s %ld\n", name, counter);
}

static void share()
{
    static std::shared_timed_mutex mutex;
    long written = 0, wrong = 0;
    four([&] {
        for (int i = 0; i < 500; i++) {
            {
                std::shared_lock<std::shared_timed_mutex> guard(mutex);
                wrong += written % 2;
            }
            std::unique_lock<std::shared_timed_mutex> guard(mutex);
            written++;
            written++;
        }
    });
    std::shared_lock<std::shared_timed_mutex> reader(mutex);
    std::printf("shared %ld wrong %ld in vain %d\n", written, wrong, !mutex.try_lock_for(1ms));
}

static void hand_over()
{
    std::mutex mutex;
    std::condition_variable changed;
    int turn = 0;
    std::thread other([&] {
        for (int i = 0; i < 100; i++) {
            std::unique_lock<std::mutex> lock(mutex);
            changed.wait(lock, [&] { return turn % 2 == 1; });
            turn++;
            changed.notify_one();
        }
    });
    for (int i = 0; i < 100; i++) {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [&] { return turn % 2 == 0; });
        turn++;
        changed.notify_one();
    }
    other.join();
    std::unique_lock<std::mutex> lock(mutex);
    bool in_vain = changed.wait_for(lock, 1ms) == std::cv_status::timeout;
    std::printf("turns %d in vain %d\n", turn, in_vain);
}

int main()
{
    count<std::mutex>("mutex");
    count<std::timed_mutex>("timed");
    count<std::recursive_mutex>("recursive");
    count<std::shared_mutex>("exclusive");
    share();
    hand_over();
    std::mutex a, b;
    four([&] {
        for (int i = 0; i < 500; i++)
            std::scoped_lock both(a, b);
    });
    static std::once_flag once;
    int calls = 0;
    four([&] { std::call_once(once, [&] { calls++; }); });
    std::printf("once %d\n", calls);
    return 0;
}
