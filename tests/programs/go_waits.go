// SPDX-License-Identifier: GPL-2.0-or-later

// go_waits: a statically linked Go program, whose runtime makes its system calls itself and moves goroutines between threads. It
// begins when there is a byte on standard input. Expected, whichever threads they are on: 43 reads of an empty pipe, about 7 ms each, by
// direct system calls, and 19 sleeps of 31 ms in nanosleep, in which the runtime itself never waits for more than 10 ms. Prints the wall
// time of both in ns.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	reads  = 43
	sleeps = 19
)

var reader int32 // id of the thread that reads; 0: not known yet

// Whether it sleeps in a read: "running", or the system call's number (proc(5), syscall).
func isReading() bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", atomic.LoadInt32(&reader)))
	return err == nil && strings.HasPrefix(string(call), "0 ")
}

func readAll(from int, done chan<- time.Duration) {
	var wall time.Duration
	var b [1]byte
	runtime.LockOSThread()
	atomic.StoreInt32(&reader, int32(syscall.Gettid()))
	for i := 0; i < reads; i++ {
		begin := time.Now()
		if n, err := syscall.Read(from, b[:]); n != 1 || err != nil {
			os.Exit(1)
		}
		wall += time.Since(begin)
	}
	done <- wall
}

func sleepAll(done chan<- time.Duration) {
	var wall time.Duration
	for i := 0; i < sleeps; i++ {
		request := syscall.Timespec{Nsec: 31000000}
		begin := time.Now()
		for syscall.Nanosleep(&request, &request) == syscall.EINTR { // the runtime preempts with signals
		}
		wall += time.Since(begin)
	}
	done <- wall
}

func main() {
	var ends [2]int
	var b [1]byte
	if syscall.Pipe(ends[:]) != nil {
		os.Exit(1)
	}
	ready := syscall.FdSet{Bits: [16]int64{1}} // no read waits for the beginning
	for {
		if _, err := syscall.Select(1, &ready, nil, nil, nil); err != syscall.EINTR {
			break
		}
	}
	syscall.Read(0, b[:])
	read, slept := make(chan time.Duration), make(chan time.Duration)
	go readAll(ends[0], read)
	go sleepAll(slept)
	go func() {
		for i := 0; i < reads; i++ {
			for !isReading() { // a read that is late, on a busy machine, waits as long
				time.Sleep(time.Millisecond / 2)
			}
			time.Sleep(7 * time.Millisecond)
			syscall.Write(ends[1], b[:])
		}
	}()
	fmt.Printf("%d %d\n", (<-read).Nanoseconds(), (<-slept).Nanoseconds())
}
