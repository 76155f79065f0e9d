// The floor of the benchmark: a webhook that allows every review and reads nothing of it but the uid.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
)

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID string `json:"uid"`
}

type response struct {
	UID     string `json:"uid"`
	Allowed bool   `json:"allowed"`
}

func answer(writer http.ResponseWriter, asked *http.Request) {
	body, err := io.ReadAll(asked.Body)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	var read review
	if err := json.Unmarshal(body, &read); err != nil || read.Request == nil {
		http.Error(writer, "no review", http.StatusBadRequest)
		return
	}
	written, err := json.Marshal(review{
		APIVersion: read.APIVersion,
		Kind:       read.Kind,
		Response:   &response{UID: read.Request.UID, Allowed: true},
	})
	if err != nil {
		http.Error(writer, err.Error(), http.StatusInternalServerError)
		return
	}
	writer.Header().Set("Content-Type", "application/json")
	_, _ = writer.Write(written)
}

func main() {
	host := flag.String("host", "127.0.0.1", "address to listen on")
	port := flag.Int("port", 9443, "port to listen on")
	certDir := flag.String("cert-dir", "", "folder of tls.crt and tls.key")
	flag.Parse()
	http.HandleFunc("POST /mutate/workloads", answer)
	address := net.JoinHostPort(*host, strconv.Itoa(*port))
	certificate, key := filepath.Join(*certDir, "tls.crt"), filepath.Join(*certDir, "tls.key")
	log.Fatal(http.ListenAndServeTLS(address, certificate, key, nil))
}
