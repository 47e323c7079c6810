package proxy

import (
	"fmt"
	"net/http"
)

// writePage answers as a load balancer does on its own behalf.
func writePage(w http.ResponseWriter, status int) {
	title := fmt.Sprintf("%d %s", status, map[int]string{
		http.StatusBadGateway: "Bad Gateway", http.StatusServiceUnavailable: "Service Temporarily Unavailable",
		http.StatusGatewayTimeout: "Gateway Time-out",
	}[status])
	w.Header().Set("Server", "awselb/2.0")
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n", title, title)
}
