// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Testing

@testable import Processes

@Suite struct SignalStateTests {
  @Test func `each signal keeps its own action`() {
    var state = SignalState()
    for number in UInt8(1)...64 {
      var action = SignalAction()
      action.handler = UInt64(number) * 1000
      state.setAction(of: Signal(number), to: action)
    }
    for number in UInt8(1)...64 {
      #expect(state.action(of: Signal(number)).handler == UInt64(number) * 1000)
    }
    let caught = state.signals { $0.handler > SignalAction.ignoringHandler }
    #expect(caught.bits == .max)
  }

  @Test func `a new program keeps what is ignored and forgets handlers`() {
    var state = SignalState()
    var handled = SignalAction()
    handled.handler = 0x1000
    handled.flags = SignalAction.restart
    var ignored = SignalAction()
    ignored.handler = SignalAction.ignoringHandler
    state.setAction(of: .SIGTERM, to: handled)
    state.setAction(of: .SIGHUP, to: ignored)
    state.resetForNewProgram()
    #expect(state.action(of: .SIGTERM).handler == SignalAction.defaultHandler)
    #expect(state.action(of: .SIGTERM).flags == 0)
    #expect(state.action(of: .SIGHUP).handler == SignalAction.ignoringHandler)
  }

  @Test func `signals that do nothing by default count as ignored`() {
    var state = SignalState()
    let ignored = (UInt8(1)...64).filter { state.ignores(Signal($0)) }
    #expect(ignored == [17, 23, 28])
  }

  @Test func `a signal's frame has Linux's sizes`() {
    #expect(MemoryLayout<SignalFrame>.size == SignalFrame.byteCount)
    #expect(MemoryLayout<SavedRegisters>.size == 256)
    #expect(MemoryLayout<SignalInformation>.size == 48)
    #expect(MemoryLayout<SignalFrame>.offset(of: \.contextFlags) == 8)
    #expect(MemoryLayout<SignalFrame>.offset(of: \.information) == 312)
    #expect(MemoryLayout<SignalAction>.size == 32)
    #expect(MemoryLayout<ResourceUsage>.size == 144)
    #expect(MemoryLayout<SystemInformation>.size == 112)
  }
}
