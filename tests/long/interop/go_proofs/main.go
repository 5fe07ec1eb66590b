// Checks a proof and a growth of a log with Go's own x/mod/sumdb, which knows nothing of this project.
// In: the file of a proof, the key of the log as a word; of a growth the old size and root, and the path. Out: exit 0 and the
// leaf, or exit 1 with the reason. COSIGNERS in the environment has keys of witnesses, each of which must have cosigned: their
// signatures are checked by the text of C2SP's tlog-cosignature, as x/mod does not know them.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func hashes(lines []string) []tlog.Hash {
	var found []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		fail(err)
		found = append(found, hash)
	}
	return found
}

// cosigner is a note.Verifier for a timestamped signature of an Ed25519 key.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }

func (c cosigner) Verify(message, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(signature)
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, message)
	return ed25519.Verify(c.key, []byte(signed), signature[8:])
}

func newCosigner(word string) cosigner {
	parts := strings.SplitN(word, "+", 3)
	content, err := base64.StdEncoding.DecodeString(parts[2])
	fail(err)
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), content...))
	if content[0] != 4 || len(content) != 33 || hex.EncodeToString(sum[:4]) != parts[1] {
		fail(fmt.Errorf("no key of a cosignature: %s", word))
	}
	return cosigner{parts[0], binary.BigEndian.Uint32(sum[:4]), content[1:]}
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	fail(err)
	head, rest, _ := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	leaf, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	fail(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	fail(err)
	verifier, err := note.NewVerifier(os.Args[2])
	fail(err)
	known := []note.Verifier{verifier}
	for _, word := range strings.Fields(os.Getenv("COSIGNERS")) {
		known = append(known, newCosigner(word))
	}
	opened, err := note.Open([]byte(rest), note.VerifierList(known...))
	fail(err)
	if len(opened.Sigs) != len(known) {
		fail(fmt.Errorf("signatures of %d keys, not of %d", len(opened.Sigs), len(known)))
	}
	body := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(body[1], 10, 64)
	fail(err)
	root, err := tlog.ParseHash(body[2])
	fail(err)
	fail(tlog.CheckRecord(hashes(lines[3:]), size, root, index, tlog.RecordHash(leaf)))
	if len(os.Args) > 3 {
		old, err := strconv.ParseInt(os.Args[3], 10, 64)
		fail(err)
		oldRoot, err := tlog.ParseHash(os.Args[4])
		fail(err)
		fail(tlog.CheckTree(hashes(os.Args[5:]), size, root, old, oldRoot))
	}
	fmt.Println(string(leaf))
}
