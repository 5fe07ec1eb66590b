// Checks a proof and a growth of a log with Go's own x/mod/sumdb, which knows nothing of this project.
// In: the file of a proof, the key of the log as a word; of a growth the old size and root, and the path. Out: exit 0 and the
// leaf, or exit 1 with the reason.
package main

import (
	"encoding/base64"
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
	opened, err := note.Open([]byte(rest), note.VerifierList(verifier))
	fail(err)
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
