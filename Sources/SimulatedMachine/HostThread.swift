// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A turn that one host thread hands to another. Linux (user space): `sem_t`.
@safe
final class Turn: @unchecked Sendable {
  private let semaphore: UnsafeMutablePointer<sem_t>

  init() {
    // SAFETY: owned by this object, given back in `deinit`.
    unsafe semaphore = .allocate(capacity: 1)
    unsafe sem_init(semaphore, 0, 0)
  }

  deinit {
    // SAFETY: nobody waits any more: whoever waits holds this object.
    unsafe sem_destroy(semaphore)
    unsafe semaphore.deallocate()
  }

  func give() {
    // SAFETY: initialised in `init`.
    unsafe sem_post(semaphore)
  }

  func take() {
    // SAFETY: as above; a signal interrupts the wait, which is then taken up again.
    while unsafe sem_wait(semaphore) != 0 {}
  }
}

/// A thread of the host that runs one body.
@safe
struct HostThread: @unchecked Sendable {
  private let thread: pthread_t

  private final class Start: Sendable {
    let context: ThreadContext
    let body: @Sendable () -> Void

    init(_ context: ThreadContext, _ body: @escaping @Sendable () -> Void) {
      self.context = context
      self.body = body
    }
  }

  init(_ context: ThreadContext, _ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    // SAFETY: the new thread takes over the retained object.
    let start = unsafe Unmanaged.passRetained(Start(context, body)).toOpaque()
    let error = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        ThreadContext.adopt(start.context)
        start.body()
        return nil
      }, start)
    precondition(error == 0, "the host has no more threads")
    self.thread = thread
  }

  func join() {
    pthread_join(thread, nil)
  }

  func detach() {
    pthread_detach(thread)
  }
}

/// What is known of the host thread that runs: which CPU it plays, whose turn it is, which
/// locks it holds.
final class ThreadContext: @unchecked Sendable {
  let cpu: UInt8
  let interleaver: Interleaver?
  /// Ranks of the locks held, in the order taken; only this thread uses it.
  var heldRanks: [UInt8] = []

  init(cpu: UInt8 = 0, interleaver: Interleaver? = nil) {
    self.cpu = cpu
    self.interleaver = interleaver
  }

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    // SAFETY: the destructor balances the retain of `adopt`.
    let error = unsafe pthread_key_create(&key) { value in
      guard let value = unsafe value else { return }
      unsafe Unmanaged<ThreadContext>.fromOpaque(value).release()
    }
    precondition(error == 0, "the host has no thread-specific keys left")
    return key
  }()

  /// The running thread's; made when there is none yet.
  static var current: ThreadContext {
    // SAFETY: only `adopt` stores here.
    if let value = unsafe pthread_getspecific(key) {
      return unsafe Unmanaged<ThreadContext>.fromOpaque(value).takeUnretainedValue()
    }
    let context = ThreadContext()
    adopt(context)
    return context
  }

  static func adopt(_ context: ThreadContext) {
    // SAFETY: retained for the key, released by its destructor.
    unsafe pthread_setspecific(key, Unmanaged.passRetained(context).toOpaque())
  }
}
