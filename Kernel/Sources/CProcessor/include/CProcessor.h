// SPDX-License-Identifier: Apache-2.0
//
// What Swift cannot say about an x86-64 processor: one function an instruction, the layouts that
// assembly shares with Swift, and the places that the linker knows.

#ifndef CPROCESSOR_H
#define CPROCESSOR_H

#include "instructions.h"
#include "layouts.h"
#include "places.h"

#endif
