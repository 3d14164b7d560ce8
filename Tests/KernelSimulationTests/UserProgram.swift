// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats
import SimulatedMachine

/// What a program does, in place of its instructions; when it returns, the program exits with 0.
typealias Script = (UserProgram) -> Void

/// Which script is the code at which address; shared by all tasks of a run, of which one runs
/// at a time.
final class Scripts {
  private var bodies: [UInt64: Script]
  private var nextOffset: UInt64 = 16
  var notes: [Int] = []

  init(first: @escaping Script) { bodies = [RootImage.firstEntry: first] }

  /// Gives a script an address in a program's page of code.
  func place(_ script: @escaping Script) -> UInt64 {
    let place = RootImage.firstEntry + nextOffset
    nextOffset = 16 + nextOffset % 4064
    bodies[place] = script
    return place
  }

  /// Runs the script that a task's instruction pointer stands at, to the end of its process.
  func run(_ program: SimulatedProgram<X8664Format>) {
    let address = program[.instructionPointer]
    // The place may be another script's once this task has slept.
    guard let body = bodies[address] else { fatalError("no script at this address") }
    begin(body, program)
  }

  /// Runs a script to the end of its process.
  func begin(_ body: Script, _ program: SimulatedProgram<X8664Format>) -> Never {
    // Whoever was killed before its first instruction never begins.
    program.work(nanoseconds: 0)
    program.jump(to: VirtualAddress(program[.instructionPointer]))
    let user = UserProgram(program: program, scripts: self)
    body(user)
    user.exit(0)
  }
}

/// A program in user mode, as its script sees it: memory, and system calls as Linux names them.
///
/// Results are Linux's: a negative number is an errno.
struct UserProgram {
  let program: SimulatedProgram<X8664Format>
  let scripts: Scripts

  /// What a program exits with whose call found no memory.
  static var withoutMemory: UInt64 { 50 }

  /// Where calls have their structures, and where bytes on their way are.
  private static var scratch: UInt64 { RootImage.data }
  private static var buffer: UInt64 { RootImage.data + 0x1000 }

  var now: UInt64 { program.machine.now.nanoseconds }

  /// Tells the test a number.
  func note(_ number: Int) { scripts.notes.append(number) }

  func call(_ name: SystemCall, _ arguments: UInt64...) -> Int {
    let all = arguments + Array(repeating: 0, count: 6 - arguments.count)
    let next = program[.instructionPointer]
    while true {
      let result = program.call(
        UInt64(name.rawValue), all[0], all[1], all[2], all[3], all[4], all[5])
      // An interrupted call steps back to its own instruction, of two bytes.
      guard program[.instructionPointer] == next &- 2 else {
        return Int(truncatingIfNeeded: result)
      }
      program[.instructionPointer] = next
    }
  }

  func load<Value: BitwiseCopyable>(_ type: Value.Type, at address: UInt64) -> Value {
    program.load(type, at: VirtualAddress(address))
  }

  func store<Value: BitwiseCopyable>(_ value: Value, at address: UInt64) {
    program.store(value, at: VirtualAddress(address))
  }

  // Processes

  func exit(_ code: UInt64) -> Never {
    _ = call(.exit_group, code)
    fatalError("a program goes on after its end")
  }

  /// Forks a child that runs a script; returns its number.
  func fork(_ child: @escaping Script) -> Int {
    let own = program[.instructionPointer]
    program[.instructionPointer] = scripts.place(child)
    defer { program[.instructionPointer] = own }
    return call(.fork)
  }

  /// Begins a thread that runs a script; returns its number.
  func thread(_ body: @escaping Script) -> Int {
    let own = program[.instructionPointer]
    program[.instructionPointer] = scripts.place(body)
    defer { program[.instructionPointer] = own }
    // CLONE_VM, FS, FILES, SIGHAND, THREAD and SYSVSEM.
    return call(.clone, 0x5_0F00)
  }

  /// Waits for a child: its number, or an errno, and its status.
  func wait(for child: Int = -1, options: UInt64 = 0) -> (child: Int, status: UInt32) {
    store(UInt32.max, at: Self.scratch)
    let found = call(.wait4, UInt64(bitPattern: Int64(child)), Self.scratch, options)
    return (found, load(UInt32.self, at: Self.scratch))
  }

  func kill(_ process: Int, _ signal: Signal) -> Int {
    call(.kill, UInt64(process), UInt64(signal.number))
  }

  /// Goes on as another program, whose script this is; returns only an errno.
  func execute(_ path: String, _ script: Script) -> Int {
    put(Array(path.utf8) + [0], at: Self.buffer)
    store(Self.buffer, at: Self.scratch)
    store(UInt64(0), at: Self.scratch + 8)
    let result = call(.execve, Self.buffer, Self.scratch, Self.scratch + 8)
    if result == 0 { scripts.begin(script, program) }
    return result
  }

  func sleep(nanoseconds: UInt64) -> Int {
    store(nanoseconds / 1_000_000_000, at: Self.scratch)
    store(nanoseconds % 1_000_000_000, at: Self.scratch + 8)
    return call(.nanosleep, Self.scratch)
  }

  // Memory

  /// Maps anonymous memory of its own; returns its address. Without memory, the program ends.
  func map(pageCount: Int) -> UInt64 {
    let result = call(.mmap, 0, UInt64(pageCount) * 4096, 3, 0x22, UInt64.max, 0)
    if result == -Int(Errno.ENOMEM.rawValue) { exit(Self.withoutMemory) }
    precondition(result > 0, "the kernel refuses the area")
    return UInt64(result)
  }

  /// Writes a word to each page.
  func touch(_ address: UInt64, pageCount: Int) {
    for page in 0..<UInt64(pageCount) { store(page, at: address + page * 4096) }
  }

  // Files

  func open(_ path: String) -> Int {
    put(Array(path.utf8) + [0], at: Self.buffer)
    return call(.open, Self.buffer, 0)
  }

  func close(_ file: Int) { _ = call(.close, UInt64(file)) }

  func pipe() -> (reader: Int, writer: Int) {
    let result = call(.pipe, Self.scratch)
    if result == -Int(Errno.ENOMEM.rawValue) { exit(Self.withoutMemory) }
    precondition(result == 0, "no pipe")
    return (
      Int(load(UInt32.self, at: Self.scratch)), Int(load(UInt32.self, at: Self.scratch + 4))
    )
  }

  func write(_ file: Int, _ bytes: [UInt8]) -> Int {
    put(bytes, at: Self.buffer)
    return call(.write, UInt64(file), Self.buffer, UInt64(bytes.count))
  }

  /// Reads once; an errno gives nil.
  func read(_ file: Int, _ count: Int) -> [UInt8]? {
    let result = call(.read, UInt64(file), Self.buffer, UInt64(count))
    guard result >= 0 else { return nil }
    return (0..<UInt64(result)).map { load(UInt8.self, at: Self.buffer + $0) }
  }

  private func put(_ bytes: [UInt8], at address: UInt64) {
    precondition(bytes.count <= Int(RootImage.dataBytes) - 0x1000, "more than the buffer holds")
    for (index, byte) in bytes.enumerated() { store(byte, at: address + UInt64(index)) }
  }
}
