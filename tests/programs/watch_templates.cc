// SPDX-License-Identifier: GPL-2.0-or-later
//
// A cache made of the standard library's containers, deep below whose templates its memory is allocated.
//
// Expected: the nodes of LRUCache::put's list (56 bytes) and the variable theCache are watched; what Session keeps is
// not (72).
#include <cstdio>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#define NOINLINE __attribute__((noinline))

using Item = std::pair<int, std::string>;

class LRUCache
{
    std::mutex mutex;
    std::list<Item> items;
    std::unordered_map<int, std::list<Item>::iterator> index;

  public:
    NOINLINE void put(int key, const std::string &value)
    {
        std::lock_guard<std::mutex> guard(mutex);
        auto found = index.find(key);
        if (found != index.end()) {
            items.erase(found->second);
            index.erase(found);
        }
        items.emplace_front(key, value);
        index[key] = items.begin();
        if (items.size() > 100) {
            index.erase(items.back().first);
            items.pop_back();
        }
    }
};

struct Session {
    std::list<std::pair<std::string, long[2]>> fields;
    NOINLINE void add(const char *name)
    {
        fields.emplace_back();
        fields.back().first = name;
    }
};

static LRUCache theCache;

static void serve(int self)
{
    for (int i = 0; i < 5000; i++) {
        Session session;
        for (int field = 0; field < 10; field++)
            session.add("name");
        theCache.put((i * 7 + self) % 1000, "value");
    }
}

int main()
{
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back(serve, i);
    for (auto &thread : threads)
        thread.join();
    puts("done");
    return 0;
}
