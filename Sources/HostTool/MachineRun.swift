// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc
import MemoryEvents
import MemoryUnits

/// Runs a program in a machine, from packing to the summary.
///
/// Context: main thread, since QEMU ends with the thread that started it.
public enum MachineRun {
  /// Runs, and gives the tool's exit status.
  public static func run(
    _ options: MachineOptions, host: HostEnvironment
  ) throws(ToolFailure) -> Int32 {
    let emulator = try host.emulator()
    watch_signals()
    let plan = try MachinePlan(options, host: host)
    if options.isDryRun {
      printToStandardOutput(plan.commandLine())
      return 0
    }
    let record = try options.record.map { (folder) throws(ToolFailure) in
      try RunRecord(making: folder)
    }
    let copies = try RunCopies(record, folders: plan.scratchFolders)
    var result: RunResult
    var text: [UInt8] = []
    switch try run(plan, emulator: emulator, copies: copies, record: record, text: &text) {
    case .interrupted(let status): return status
    case .finished(let finished): result = finished
    }
    let cache = CacheFolder(environment: host.variables)
    var kept = record
    if kept == nil, result.leavesBundle { kept = try cache.makeBundle() }
    if let folder = kept {
      if result.leavesBundle {
        result.failure?.remedy = "run it again with ./quire replay \(shellQuoted(folder.folder))"
      }
      try folder.finish(
        result, plan: plan, emulatorVersion: try emulatorVersion(emulator), input: copies.input,
        text: text)
    }
    try tell(result, plan: plan, emulator: emulator)
    return result.status
  }

  /// Runs a recorded machine again and says whether it did the same.
  ///
  /// - Returns: the status that the program had.
  /// - Throws: `failed` where it did not.
  public static func replay(
    _ folder: String, isQuiet: Bool, isVerbose: Bool, timeout: DurationArgument?,
    host: HostEnvironment
  ) throws(ToolFailure) -> Int32 {
    let emulator = try host.emulator()
    watch_signals()
    let replay = try RunReplay(HostFolder.absolute(folder, from: HostFolder.current))
    var plan = try replay.plan(isQuiet: isQuiet, isVerbose: isVerbose, host: host)
    plan.options.timeout = timeout
    let input = try replay.openInput()
    var text: [UInt8] = []
    let result: RunResult
    switch try run(
      plan, emulator: emulator, copies: nil, record: nil, input: input.descriptor, text: &text)
    {
    case .interrupted(let status): return status
    case .finished(let finished): result = finished
    }
    try tell(result, plan: plan, emulator: emulator)
    if result.cause == .timeout { return result.status }
    let same = result.digest == replay.digest
    if !same, replay.isRepeatable {
      let version = try emulatorVersion(emulator)
      throw ToolFailure(
        .failed,
        "the digest is \(result.digest.prefix(16)), it was \(replay.digest.prefix(16))",
        version == replay.emulator ? "report it with the record" : "use \(replay.emulator)")
    }
    if !isQuiet {
      printToStandardError(
        "quire: replay  "
          + (same
            ? "the same digest as recorded: \(replay.digest.prefix(16))"
            : "another digest, as it was not repeatable when it was recorded"))
    }
    return result.status
  }

  /// Writes the report, and the summary or what went wrong.
  private static func tell(
    _ result: RunResult, plan: MachinePlan, emulator: String
  ) throws(ToolFailure) {
    let options = plan.options
    if let path = options.json {
      let version = try emulatorVersion(emulator)
      let report = RunReport(result: result, plan: plan, emulatorVersion: version)
      try attempting(path, "name a file that can be written") { () throws(HostError) in
        try HostFile.write(Array(report.text.utf8), to: path)
      }
    }
    if let failure = result.failure ?? result.unsaved { printToStandardError(failure.line) }
    if result.failure == nil, !options.isQuiet, result.cause != .quire {
      for line in RunSummary(result: result, plan: plan).lines { printToStandardError(line) }
    }
  }

  /// The first line of what the emulator says about itself.
  public static func emulatorVersion(_ emulator: String) throws(ToolFailure) -> String {
    let text = try ChildProcess.run(emulator, [emulator, "--version"], environment: []).text
    return text.firstRange(of: " Copyright").map { String(text[..<$0.lowerBound]) } ?? text
  }

  private enum Outcome {
    case finished(RunResult)
    /// A signal came to the tool; the exit status.
    case interrupted(Int32)
  }

  /// - Parameters:
  ///   - input: what the program's standard input is; its terminal is the host's only where that
  ///     is the tool's own.
  ///   - text: gets the end of the kernel's log.
  private static func run(
    _ plan: MachinePlan, emulator: String, copies: RunCopies?, record: RunRecord?,
    input: Int32 = 0, text: inout [UInt8]
  ) throws(ToolFailure) -> Outcome {
    let options = plan.options
    let log = try EventLog(
      frameCount: Int(options.memory.value >> 12), binary: options.log, lines: options.events,
      record: record?.path("events.log"))
    let memory = try GuestMemory(options.memory)
    let scratch = try ScratchDisk(
      options.disk, user: options.user, folders: plan.scratchFolders)
    let saved = SavedFiles(plan.saves)
    let channel = GuestChannel(
      memory, log: log, input: input, saved: saved, copies: copies,
      isVerbose: options.isVerbose)
    let diskBytes = try attempting(plan.disk.image, "quire clean") { () throws(HostError) in
      try FileFacts(plan.disk.image).size
    }
    channel.prepare(
      arguments: plan.arguments, terminals: plan.terminals, seed: options.seed,
      diskBytes: [diskBytes, scratch.size.value])
    memory.store(plan.bootTime, ChannelLayout.bootTimeOffset)
    memory.store(plan.isInteractive ? 1 : 0, ChannelLayout.interactiveOffset)

    let console = HostConsole(memory, terminals: input == 0 ? plan.terminals : 0)
    defer { console.close() }
    // SAFETY: the name is terminated.
    let messages = HostFile(adopting: unsafe make_memory_file("emulator", 0))
    let child = try attempting(emulator, "install qemu-system-x86") { () throws(HostError) in
      try ChildProcess(
        emulator,
        plan.command(
          memoryDescriptor: memory.descriptor, scratchDescriptor: scratch.descriptor),
        environment: [], output: messages.descriptor, error: messages.descriptor,
        kept: [memory.descriptor, scratch.descriptor])
    }
    console.attend(to: child.identifier)
    console.open()
    var childHasEnded = false
    defer { if !childHasEnded { child.end() } }
    if let timeout = options.timeout { start_timer(timeout.milliseconds) }

    let end = try channel.serve(console: console) {
      let status = child.status()
      if status != nil { childHasEnded = true }
      return status
    }
    if case .signal(let number) = end, number != SIGALRM || options.timeout == nil {
      // As a shell counts a program that a signal ended; nobody waits for a summary.
      return .interrupted(128 + number)
    }
    let said = Self.text(of: messages)
    text = channel.lastText
    if options.isVerbose, !said.isEmpty { printToStandardError(said) }
    var result = try conclude(
      end, plan: plan, memory: memory, log: log, channel: channel, said: said)
    result.note(saved.failures)
    if options.isVerbose {
      for line in log.statistics.reports { printToStandardError(line) }
    }
    try record?.keep(scratch)
    return .finished(result)
  }

  private static func conclude(
    _ end: GuestChannel.End, plan: MachinePlan, memory: GuestMemory, log: EventLog,
    channel: GuestChannel, said: String
  ) throws(ToolFailure) -> RunResult {
    var result: RunResult
    switch end {
    case .stopped(let state):
      result = RunResult(
        state, value: memory.load(ChannelLayout.exitValueOffset), options: plan.options,
        text: lastLine(channel.lastText))
    case .emulatorEnded(let status):
      let first = said.split(separator: "\n").first.map { singleLine(String($0)).trimmed }
      let words = [first ?? "", lastLine(channel.lastText)].filter { !$0.isEmpty }
      let why = words.isEmpty ? "it said nothing" : words.joined(separator: "; ")
      result = RunResult(
        .quire,
        ToolFailure(
          .failed, "QEMU ended with status \(status): \(why)", "run it with --verbose"))
      // Options that the emulator does not take are no failure of the kernel's.
      result.leavesBundle = log.statistics.recordCount > 0
    case .signal:
      result = RunResult(.timeout, ToolStatus.timedOut.rawValue)
    }
    result.unrepeatable =
      switch true {
      case result.cause == .timeout: "the host's clock ended it"
      case plan.bootTime != 0: "the host's clock was asked for"
      case forwarded_any() != 0: "a signal was forwarded"
      case plan.isInteractive: "input was handed over as it came"
      case channel.hasClosedStream: "a reader of its output went away"
      default: nil
      }
    if let packed = plan.packed, plan.options.root == nil {
      result.missing = MissingPaths(memory, packed: packed)
    }
    result.digest = try log.finish()
    result.statistics = log.statistics
    result.peakResident = PageCount(log.states.peakResidentCount)
    result.managed = PageCount(log.states.managedCount)
    result.startInstructions =
      memory.load(ChannelLayout.firstInstructionOffset)
      &- memory.load(ChannelLayout.firstIdleOffset)
    result.instructions =
      log.statistics.lastTime &- memory.load(ChannelLayout.idleTimeOffset)
    if result.failure == nil || result.cause == .deadlock, result.cause != .timeout {
      if let failure = checkFrames(memory, log) {
        result.leavesBundle = true
        result.failure = failure
        result.cause = .quire
        result.status = failure.status.rawValue
      }
    }
    return result
  }

  /// The log alone must give the state of every frame, and that must be the kernel's table.
  private static func checkFrames(_ memory: GuestMemory, _ log: EventLog) -> ToolFailure? {
    let remedy = "report it with the event log"
    if let wrong = log.contradiction {
      return ToolFailure(
        .failed,
        "the event log contradicts itself at frame \(wrong.frame): \(wrong.record) of a frame"
          + " that is \(wrong.state)", remedy)
    }
    let count = memory.load(ChannelLayout.frameCountOffset)
    let check = FrameTableCheck(
      table: memory.load(ChannelLayout.frameTableOffset),
      frameCount: Int(truncatingIfNeeded: min(count, 1 << 32)),
      number: { memory.number(at: $0, bytes: $1) })
    guard let difference = check.firstDifference(from: log.states) else { return nil }
    return ToolFailure(
      .failed,
      "frame \(difference.frame) is \(difference.log) by the event log but \(difference.table)"
        + " in the frame table", remedy)
  }

  /// What the emulator wrote, without the warning that every run of this kind has.
  private static func text(of messages: borrowing HostFile) -> String {
    let bytes = (try? messages.bytes(at: 0, count: 1 << 14)) ?? []
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    return lines.filter { !$0.contains("icount sleep disabled and no active timers") }
      .joined(separator: "\n")
  }

  /// The line that says why a kernel stopped: that of its fault report, else the last.
  private static func lastLine(_ text: [UInt8]) -> String {
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
    let line = lines.last { $0.hasPrefix("kernel fault") } ?? lines.last
    return line.map { singleLine(String($0)).trimmed } ?? ""
  }
}
