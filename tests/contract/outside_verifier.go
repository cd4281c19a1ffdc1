// Reads a case as JSON and checks it with the Go project's own code (golang.org/x/mod/sumdb/note and tlog), the
// reference implementation of signed notes and of the proofs of RFC 6962 in Go. Nothing here hashes or verifies by
// itself: it only hands over. One line of output for each check; "ok" or what was wrong.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type check struct {
	Kind  string   // "note", "inclusion" or "consistency"
	Note  string   // signed note of the (newer) checkpoint
	Old   string   // signed note of the older checkpoint
	Keys  []string // verifier keys
	Index int64
	Body  []byte   // the entry, as it was hashed
	Proof [][]byte // hashes
}

func main() {
	var checks []check
	if err := json.NewDecoder(os.Stdin).Decode(&checks); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, c := range checks {
		if err := run(c); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
}

func run(c check) error {
	size, root, err := open(c.Note, c.Keys)
	if err != nil {
		return err
	}
	proof := make([]tlog.Hash, len(c.Proof))
	for i, each := range c.Proof {
		if len(each) != tlog.HashSize {
			return fmt.Errorf("a hash of %d bytes", len(each))
		}
		copy(proof[i][:], each)
	}
	switch c.Kind {
	case "note":
		return nil
	case "inclusion":
		return tlog.CheckRecord(tlog.RecordProof(proof), size, root, c.Index, tlog.RecordHash(c.Body))
	case "consistency":
		oldSize, oldRoot, err := open(c.Old, c.Keys)
		if err != nil {
			return err
		}
		return tlog.CheckTree(tlog.TreeProof(proof), size, root, oldSize, oldRoot)
	}
	return fmt.Errorf("no such check: %q", c.Kind)
}

// open checks the note's signatures and reads size and root from its text.
func open(document string, keys []string) (int64, tlog.Hash, error) {
	var verifiers []note.Verifier
	for _, key := range keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return 0, tlog.Hash{}, err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(document), note.VerifierList(verifiers...))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	data, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	var root tlog.Hash
	copy(root[:], data)
	return size, root, nil
}
