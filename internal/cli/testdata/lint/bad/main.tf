variable "size" {
