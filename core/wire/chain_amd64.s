//go:build !purego

#include "textflag.h"

// func hasAES() bool
TEXT ·hasAES(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	SHRL $25, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET

// One round key from the one before in X0: rcon is the round's constant, at its place.
#define EXPAND(rcon, at) \
	AESKEYGENASSIST $rcon, X0, X1 \
	PSHUFD $0xFF, X1, X1 \
	MOVOU X0, X2 \
	PSLLDQ $4, X2 \
	PXOR X2, X0 \
	PSLLDQ $4, X2 \
	PXOR X2, X0 \
	PSLLDQ $4, X2 \
	PXOR X2, X0 \
	PXOR X1, X0 \
	MOVOU X0, at(AX)

// func expandAES(keys *[11][16]byte, key *[16]byte)
TEXT ·expandAES(SB), NOSPLIT, $0-16
	MOVQ keys+0(FP), AX
	MOVQ key+8(FP), BX
	MOVOU (BX), X0
	MOVOU X0, (AX)
	EXPAND(0x01, 16)
	EXPAND(0x02, 32)
	EXPAND(0x04, 48)
	EXPAND(0x08, 64)
	EXPAND(0x10, 80)
	EXPAND(0x20, 96)
	EXPAND(0x40, 112)
	EXPAND(0x80, 128)
	EXPAND(0x1B, 144)
	EXPAND(0x36, 160)
	RET

// One block in X0, under the round keys in X1 to X11.
#define ENCRYPT \
	PXOR X1, X0 \
	AESENC X2, X0 \
	AESENC X3, X0 \
	AESENC X4, X0 \
	AESENC X5, X0 \
	AESENC X6, X0 \
	AESENC X7, X0 \
	AESENC X8, X0 \
	AESENC X9, X0 \
	AESENC X10, X0 \
	AESENCLAST X11, X0

// func chainAES(keys *[11][16]byte, blocks *byte, n int, lo, hi uint64) (outLo, outHi uint64)
TEXT ·chainAES(SB), NOSPLIT, $0-56
	MOVQ keys+0(FP), AX
	MOVQ blocks+8(FP), BX
	MOVQ n+16(FP), CX
	MOVQ lo+24(FP), X12
	MOVQ hi+32(FP), X13
	PUNPCKLQDQ X13, X12
	MOVOU (AX), X1
	MOVOU 16(AX), X2
	MOVOU 32(AX), X3
	MOVOU 48(AX), X4
	MOVOU 64(AX), X5
	MOVOU 80(AX), X6
	MOVOU 96(AX), X7
	MOVOU 112(AX), X8
	MOVOU 128(AX), X9
	MOVOU 144(AX), X10
	MOVOU 160(AX), X11
	PXOR X0, X0
	TESTQ CX, CX
	JZ last

next:
	MOVOU (BX), X13
	PXOR X13, X0
	ENCRYPT
	ADDQ $16, BX
	DECQ CX
	JNZ next

last:
	PXOR X12, X0
	ENCRYPT
	MOVQ X0, outLo+40(FP)
	PSRLDQ $8, X0
	MOVQ X0, outHi+48(FP)
	RET
