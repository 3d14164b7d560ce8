// SPDX-License-Identifier: Apache-2.0
#include "CHostSystem.h"
